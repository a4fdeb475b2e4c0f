# SPDX-License-Identifier: Apache-2.0
import os
import platform
import subprocess

import pytest

from vcf_benchmarks.harness import machine


def test_the_machine_is_described_and_not_named() -> None:
    found = machine.machine()
    assert found["cores"] == len(os.sched_getaffinity(0)) and found["memory_gib"] > 0
    assert platform.node() not in str(found)


def test_versions_are_those_of_what_is_installed() -> None:
    assert machine.versions()["python"] == platform.python_version()
    assert set(machine.installed(["numpy", "no-such-package"])) == {"numpy"}


def test_a_changed_tree_is_told_from_its_commit(tmp_path, monkeypatch) -> None:
    def git(*words: str) -> None:
        who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True)

    monkeypatch.setattr(machine, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert machine.commit() is None
    (tmp_path / "a").write_text("1")
    git("init")
    git("add", "a")
    git("commit", "-m", "first")
    clean = machine.commit()
    assert clean and len(clean) == 12
    (tmp_path / "a").write_text("2")
    assert machine.commit() == clean + machine.CHANGES


@pytest.mark.parametrize("name", ["numpy", "vcf-triton"])
def test_packages_that_decide_about_speed_are_named(name: str) -> None:
    assert name in machine.PACKAGES
