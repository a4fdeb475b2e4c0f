# SPDX-License-Identifier: Apache-2.0
"""Bars on a terminal, silence elsewhere, and standard output left alone."""

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from vcf_cli import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    stream = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=stream))
    monkeypatch.setattr(progress, "Console", lambda file: Console(file=file, force_terminal=True, width=100))
    return stream


def show() -> None:
    with progress.reading() as read:
        read(0, 10)
        read(10, 10)
    with progress.study_bar(3) as done:
        done(2)
    with progress.stages() as report:
        report("member a", 1, 4, {"loss": 0.25})
        report("member a", 4, 4, {"loss": 0.125})


def test_nothing_is_written_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    show()
    assert capsys.readouterr() == ("", "")


def test_bars_go_to_standard_error(terminal: Terminal, capsys: pytest.CaptureFixture[str]) -> None:
    show()
    said = terminal.getvalue()
    for words in ("Reading", "Analysing", "2/3", "member a", "4/4", "loss 0.125"):
        assert words in said, words
    assert capsys.readouterr().out == ""


def test_an_error_inside_leaves_no_bar_behind(terminal: Terminal) -> None:
    with pytest.raises(ValueError, match="broken"), progress.study_bar(3) as done:
        done(1)
        raise ValueError("broken")
    assert terminal.getvalue().rindex("\x1b[?25h") > terminal.getvalue().rindex("\x1b[?25l"), "the cursor is back"
