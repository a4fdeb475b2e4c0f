# SPDX-License-Identifier: Apache-2.0
"""Servers that get ready, that end, that say nothing, and that do not stop: none is waited for without a limit."""

import os
import sys
import time
from pathlib import Path

import pytest

from vcf_benchmarks.floor.start import seconds_to_ready
from vcf_contract.errors import SetupError

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "


def server(body: str, marks: Path) -> list[str]:
    """A program that notes its process id and does something."""
    note = f"import os, pathlib; pathlib.Path({str(marks / 'pid')!r}).write_text(str(os.getpid())); "
    return [sys.executable, "-c", note + body]


def is_gone(marks: Path) -> bool:
    try:
        os.kill(int((marks / "pid").read_text()), 0)
    except ProcessLookupError:
        return True
    return False


def test_the_time_to_the_line_and_not_to_the_end(tmp_path: Path) -> None:
    began = time.perf_counter()
    took_s = seconds_to_ready(
        server("import time; time.sleep(0.2); print('ready after 0.2 s', flush=True); time.sleep(600)", tmp_path)
    )
    assert 0.2 <= took_s <= time.perf_counter() - began
    assert is_gone(tmp_path)


@pytest.mark.parametrize("body", ["pass", "print('failed: no room')", "raise SystemExit(3)", "print('rea', end='')"])
def test_a_server_that_ends(tmp_path: Path, body: str) -> None:
    with pytest.raises(SetupError, match="did not become ready"):
        seconds_to_ready(server(body, tmp_path))


@pytest.mark.parametrize("said", ["", "print('re', end='', flush=True); "])
def test_a_server_that_is_never_ready_is_killed(tmp_path: Path, said: str) -> None:
    with pytest.raises(SetupError, match="not ready in time"):
        seconds_to_ready(server(f"{said}{STUBBORN}time.sleep(600)", tmp_path), ready_limit_s=3.0)
    assert is_gone(tmp_path)


def test_a_server_that_does_not_stop_is_killed_and_named(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"did not stop within 0\.5 s of SIGTERM"):
        seconds_to_ready(server(f"{STUBBORN}print('ready', flush=True); time.sleep(600)", tmp_path), stop_limit_s=0.5)
    assert is_gone(tmp_path)
