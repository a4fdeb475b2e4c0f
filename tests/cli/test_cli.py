# SPDX-License-Identifier: Apache-2.0
"""The frame of the ``vcf`` command: light to start, every subcommand there, every failure one line and a code."""

import argparse
import ast
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import vcf_cli as cli
from vcf_contract import __version__
from vcf_contract.errors import (
    Code,
    DeadlineExceeded,
    ServerFailed,
    ServerUnavailable,
    SetupError,
    StudyRefused,
    UsageError,
)


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make ``vcf probe`` run a function."""

    def install(run: Any) -> None:
        class Module:
            @staticmethod
            def add_parser(subparsers: Any) -> None:
                subparsers.add_parser("probe").set_defaults(run=run)

        monkeypatch.setitem(sys.modules, "vcf_cli.probe", Module())
        monkeypatch.setitem(cli.COMMANDS, "probe", cli.Command("vcf_cli.probe", "for a test", "client"))

    return install


def raising(error: BaseException) -> Any:
    def run(args: argparse.Namespace) -> int:
        raise error

    return run


HEAVY = {
    "numpy",
    "scipy",
    "grpc",
    "tritonclient",
    "pydicom",
    "rich",
    "tensorflow",
    "keras",
    "PIL",
    "jinja2",
    "onnx",
    "openvino",
    "psutil",
}


def modules_after(*words: str) -> tuple[str, set[str]]:
    """What the command prints, and the packages that a fresh interpreter has imported for it."""
    code = "import sys; from vcf_cli import main\ntry: main(sys.argv[1:])\nexcept SystemExit: print(*sys.modules)"
    command = [sys.executable, "-c", code, *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    *lines, modules = done.stdout.splitlines()
    return "\n".join(lines), {module.partition(".")[0] for module in modules.split()}


def test_help_imports_the_standard_library_alone() -> None:
    text, imported = modules_after("--help")
    assert imported & {*HEAVY, "vcf_training", "vcf_preprocess", "vcf_server", "vcf_benchmarks"} == set()
    assert any(line.split()[:1] == ["analyze"] for line in text.splitlines())


@pytest.mark.parametrize("name", sorted(cli.COMMANDS))
def test_the_options_of_a_command_import_nothing_heavy(name: str) -> None:
    text, imported = modules_after(name, "--help")
    assert text.startswith(f"usage: vcf {name}")
    assert imported & HEAVY == set()


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """A parser and those of its subcommands."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from parsers(inner)


@pytest.mark.parametrize("name", sorted(set(cli.COMMANDS) - {"bench"}))
def test_the_work_of_a_command_is_there(name: str) -> None:
    """Options name it by a string, which no other tool would check."""
    targets = {
        (found.module, found.function) for one in parsers(cli._parser(name)) if (found := one.get_default("run"))
    }
    assert targets
    for module, function in targets:
        spec = importlib.util.find_spec(module)
        assert spec and spec.origin, module
        body = ast.parse(Path(spec.origin).read_text("utf-8")).body
        assert function in {node.name for node in body if isinstance(node, ast.FunctionDef)}


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
        import vcf_contract.nothing  # type: ignore[import-not-found] # noqa: F401

        return 0

    command(run)
    with pytest.raises(ModuleNotFoundError, match=r"vcf_contract\.nothing"):
        cli.main(["probe"])


def test_success_is_what_the_subcommand_returns(command: Any) -> None:
    command(lambda args: 0)
    assert cli.main(["probe"]) == 0
