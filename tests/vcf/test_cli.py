# SPDX-License-Identifier: Apache-2.0
"""The frame of the ``vcf`` command: light to start, every subcommand there, every failure one line and a code."""

import argparse
import subprocess
import sys
from typing import Any

import pytest

from vcf import __version__, cli
from vcf.errors import Code, DeadlineExceeded, ServerFailed, ServerUnavailable, SetupError, StudyRefused, UsageError


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make ``vcf probe`` run a function."""

    def install(run: Any) -> None:
        class Module:
            @staticmethod
            def add_parser(subparsers: Any) -> None:
                subparsers.add_parser("probe").set_defaults(run=run)

        monkeypatch.setitem(sys.modules, "vcf.cli.probe", Module())
        monkeypatch.setitem(cli.COMMANDS, "probe", cli.Command("vcf.cli.probe", "for a test", "client"))

    return install


def raising(error: BaseException) -> Any:
    def run(args: argparse.Namespace) -> int:
        raise error

    return run


def test_help_imports_the_standard_library_alone() -> None:
    code = "import sys; from vcf.cli import main\ntry: main(['--help'])\nexcept SystemExit: print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    *help_lines, modules = done.stdout.splitlines()
    heavy = "numpy grpc tritonclient pydicom rich tensorflow keras PIL jinja2 clients training preprocess"
    assert {module.partition(".")[0] for module in modules.split()} & set(heavy.split()) == set()
    assert any(line.split()[:1] == ["analyze"] for line in help_lines)


@pytest.mark.parametrize("name", sorted(cli.COMMANDS))
def test_every_subcommand_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        cli.main([name, "--help"])
    assert done.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: vcf {name}")


@pytest.mark.parametrize("name", sorted(cli.COMMANDS))
def test_every_subcommand_says_the_same_in_both_helps(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The one-line help of the table and that of the module must not drift apart."""
    shown = {}
    for chosen in ("", name):
        parser = cli._parser(chosen)
        (subparsers,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
        shown[chosen] = next(a.help for a in subparsers._choices_actions if a.dest == name)
    assert shown[""] == shown[name]


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        cli.main(["--version"])
    assert done.value.code == 0 and capsys.readouterr().out == f"vcf {__version__}\n"


@pytest.mark.parametrize("words", [[], ["nonsense"], ["analyze"], ["analyze", "x", "--nonsense"], ["--nonsense"]])
def test_wrong_usage_is_64_and_not_a_refusal(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        cli.main(words)
    assert done.value.code == 64
    assert "usage: vcf" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (StudyRefused(Code.NOT_CT, "it is MR"), 2, "vcf: study refused: NOT_CT: it is MR\n"),
        (ServerUnavailable("nothing\nanswers"), 3, "vcf: nothing answers\n"),
        (ServerFailed("it broke"), 3, "vcf: it broke\n"),
        (DeadlineExceeded("too late"), 3, "vcf: too late\n"),
        (SetupError("no room"), 1, "vcf: no room\n"),
        (UsageError("--runs is 0"), 64, "vcf: --runs is 0\n"),
        (PermissionError(13, "Permission denied", "/out"), 1, "vcf: [Errno 13] Permission denied: '/out'\n"),
        (KeyboardInterrupt(), 130, "vcf: interrupted\n"),
    ],
)
def test_failures_are_one_line_and_a_code(
    command: Any, capsys: pytest.CaptureFixture[str], error: BaseException, code: int, text: str
) -> None:
    command(raising(error))
    assert cli.main(["probe"]) == code
    assert capsys.readouterr().err == text


def test_missing_extra_names_the_way_to_install_it(command: Any, capsys: pytest.CaptureFixture[str]) -> None:
    def run(args: argparse.Namespace) -> int:
        import a_package_of_nobody  # type: ignore[import-not-found] # noqa: F401

        return 0

    command(run)
    assert cli.main(["probe"]) == 1
    assert capsys.readouterr().err == "vcf: probe needs a_package_of_nobody: pip install 'vcf-triton[client]'\n"


def test_missing_module_of_our_own_is_a_bug(command: Any) -> None:
    def run(args: argparse.Namespace) -> int:
        import vcf.nothing  # type: ignore[import-not-found] # noqa: F401

        return 0

    command(run)
    with pytest.raises(ModuleNotFoundError, match=r"vcf\.nothing"):
        cli.main(["probe"])


def test_success_is_what_the_subcommand_returns(command: Any) -> None:
    command(lambda args: 0)
    assert cli.main(["probe"]) == 0
