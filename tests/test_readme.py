# SPDX-License-Identifier: Apache-2.0
"""Every code block of the README does what it says, and every link leads somewhere."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.clients.ct_series import CtSeries
from vcf.cli import COMMANDS

if TYPE_CHECKING:
    from vcf.serve.server import TritonServer

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
SHELL = [line for language, block in BLOCKS if language == "bash" for line in block.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("readme") / "study"
    CtSeries(slices=60).write(folder)
    return folder


def test_blocks_are_of_a_kind_that_is_tested() -> None:
    assert {language for language, _ in BLOCKS} == {"bash", "python"}


@pytest.mark.server
@pytest.mark.parametrize("block", [block for language, block in BLOCKS if language == "python"])
def test_python_block(block: str, triton_server: TritonServer, study: Path, tmp_path: Path) -> None:
    assert "127.0.0.1:8001" in block and "path/to/study" in block
    code = block.replace("127.0.0.1:8001", triton_server.grpc_url).replace("path/to/study", str(study))
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120, env=_environment()
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].split()[-1] in ("True", "False")


def test_first_call_is_under_ten_lines() -> None:
    block = next(block for language, block in BLOCKS if language == "python")
    assert len([line for line in block.splitlines() if line.strip()]) < 10


@pytest.mark.server
@pytest.mark.parametrize("line", SHELL)
def test_shell_line(line: str, triton_server: TritonServer, study: Path, tmp_path: Path) -> None:
    """Quick commands are run as they are; a make target is looked up, containers are configured but not started."""
    words = shlex.split(line, comments=True)
    variables = {}
    while re.match(r"[A-Z]+=", words[0]):
        name, _, value = words.pop(0).partition("=")
        variables[name] = value
    environment = {**_environment(), **variables}
    if words[0] == "make":
        words, folder = ["make", "--dry-run", "--no-print-directory", *words[1:]], ROOT
    elif words[0] == "docker-compose":
        if not shutil.which("docker-compose"):
            pytest.skip("docker-compose is not installed (Debian package docker-compose)")
        verb = next(i for i, word in enumerate(words) if word in ("up", "run", "build"))
        words, folder = [*words[:verb], "config", "--quiet"], ROOT
    elif words[0] == "vcf":
        words = [sys.executable, "-c", "import sys; from vcf.cli import main; sys.exit(main())", *words[1:]]
        words = [word.replace("path/to/study", str(study)) for word in words]
        if "analyze" in words and "--help" not in words:
            words += ["--server", triton_server.grpc_url]
        folder = tmp_path
    else:
        pytest.fail(f"no way to test {line!r}")
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr


def test_every_subcommand_is_in_the_table() -> None:
    rows = dict(re.findall(r"^\| `vcf (\w+)[^`]*` \| (.*?) \|$", README, re.MULTILINE))
    assert rows == {name: command.help for name, command in COMMANDS.items()}


@pytest.mark.parametrize("target", sorted(set(re.findall(r"(?:\]\(|src=\")([^)\"]+)", README))))
def test_link(target: str) -> None:
    if target.startswith("#"):
        headings = {re.sub(r"\W+", "-", h.lower()).strip("-") for h in re.findall(r"^#+ (.*)$", README, re.MULTILINE)}
        assert target[1:] in headings
    else:
        assert "://" not in target
        assert (ROOT / target).exists()


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}
