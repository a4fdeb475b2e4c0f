# SPDX-License-Identifier: Apache-2.0
"""What runs before a commit and on a hosted machine is what runs here: nothing of its own, nothing fetched."""

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
REPOS: list[dict[str, Any]] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"]
WORKFLOW = (ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8")


def test_all_hooks_are_local_and_run_from_the_environment() -> None:
    hooks = [hook for repository in REPOS for hook in repository["hooks"]]
    assert {repository["repo"] for repository in REPOS} == {"local"}
    assert {hook["language"] for hook in hooks} == {"system"}
    for hook in hooks:
        assert (ROOT / hook["entry"].split()[0]).is_file(), f"{hook['id']}: `make test` did not install its command"


def test_hooks_are_understood_by_pre_commit() -> None:
    clientlib = pytest.importorskip("pre_commit.clientlib", reason="pre-commit is not installed")
    assert clientlib.load_config(str(ROOT / ".pre-commit-config.yaml"))["repos"]


def test_the_workflow_calls_the_one_script_and_has_no_secret() -> None:
    workflow = yaml.safe_load(WORKFLOW)
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    assert [step["run"] for step in steps if "run" in step] == ["bash .ci/run"]
    assert "secrets." not in WORKFLOW and "://" not in WORKFLOW
    assert workflow["permissions"] == {"contents": "read"}
