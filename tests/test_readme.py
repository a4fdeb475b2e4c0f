# SPDX-License-Identifier: Apache-2.0
"""Every code block of the README does what it says, and so does every command of the pages it sends to first."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.clients.ct_series import CtSeries
from vcf_cli import COMMANDS

if TYPE_CHECKING:
    from vcf_server.server import TritonServer

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")
COMMANDS_PAGE = (ROOT / "docs" / "commands.md").read_text("utf-8")
OPERATIONS = (ROOT / "docs" / "operations.md").read_text("utf-8")
TOP = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
"""Pages outside docs/, whose links the strict build of the site does not see as they stand there."""
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]


def blocks_of(page: str) -> list[tuple[str, str]]:
    """Language and text of each block of code."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


BLOCKS = blocks_of(README)
SHELL = [
    line
    for page in (README, COMMANDS_PAGE, OPERATIONS)
    for language, block in blocks_of(page)
    if language == "bash"
    for line in block.splitlines()
    if line.strip()
]


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
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=600, env=_environment()
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].split()[-1] in ("True", "False")


def test_first_call_is_ten_lines_and_begins_with_the_import() -> None:
    block = next(block for language, block in BLOCKS if language == "python")
    assert block.startswith("from vcf_client import VcfClient\n")
    assert len([line for line in block.splitlines() if line.strip()]) <= 10


@pytest.mark.server
@pytest.mark.parametrize("line", SHELL)
def test_shell_line(line: str, triton_server: TritonServer, study: Path, tmp_path: Path) -> None:
    """Quick commands are run; make targets and extras are looked up, containers are configured but not started."""
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
        words = [sys.executable, "-c", "import sys; from vcf_cli import main; sys.exit(main())", *words[1:]]
        words = [word.replace("path/to/study", str(study)) for word in words]
        if "analyze" in words and "--help" not in words:
            words += ["--server", triton_server.grpc_url]
        folder = tmp_path
    elif words[0].startswith("deploy/"):  # tests/containers run it
        words, folder = ["sh", "-n", words[0]], ROOT
    elif words[:2] == ["pip", "install"]:
        extras = re.fullmatch(r"vcf-triton\[([\w,]+)\]", words[2])
        assert extras and set(extras[1].split(",")) <= set(EXTRAS)
        return
    else:
        pytest.fail(f"no way to test {line!r}")
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=600, env=environment)
    assert done.returncode == 0, done.stderr


def test_every_subcommand_is_in_the_table() -> None:
    rows = dict(re.findall(r"^\| `vcf (\w+)[^`]*` \| ([^`]*?) \|$", COMMANDS_PAGE, re.MULTILINE))
    assert rows == {name: command.help for name, command in COMMANDS.items()}


def test_every_extra_is_in_the_table() -> None:
    first_columns = re.findall(r"^\| ((?:`[\w-]+`(?:, )?)+) \|", COMMANDS_PAGE, re.MULTILINE)
    assert set(re.findall(r"[\w-]+", " ".join(first_columns))) == set(EXTRAS)


@pytest.mark.parametrize("page", TOP)
def test_links(page: str) -> None:
    """Anchors are the business of the strict build (`make docs`)."""
    text = (ROOT / page).read_text("utf-8")
    for target in re.findall(r"(?:\]\(|src=\")([^)\"\s]+)", text):
        path = target.partition("#")[0]
        assert "://" not in target or page == "CHANGELOG.md", target
        assert not path or "://" in target or (ROOT / path).exists(), target


def _environment() -> dict[str, str]:
    return dict(os.environ)
