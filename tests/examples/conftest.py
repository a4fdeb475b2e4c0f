# SPDX-License-Identifier: Apache-2.0
"""A study for the programs in ``examples/``, and a way to run them as a user does."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients.ct_series import CtSeries

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("examples") / "study"
    CtSeries(slices=60).write(folder)
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs ``examples/NAME.py`` with these words, in a folder of the test's own."""

    def program(name: str, *words: object, timeout_s: float = 120) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-W", "error::ResourceWarning", str(EXAMPLES / f"{name}.py"), *map(str, words)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=timeout_s)

    return program
