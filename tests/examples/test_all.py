# SPDX-License-Identifier: Apache-2.0
"""Examples are short, say what they do, and each has a test of its own."""

import ast
from pathlib import Path

import pytest

from tests.examples.conftest import EXAMPLES

PROGRAMS = sorted(EXAMPLES.glob("*.py"))
RECIPES = (EXAMPLES.parent / "docs" / "recipes.md").read_text("utf-8")
TRAINING = (EXAMPLES.parent / "docs" / "training.md").read_text("utf-8")


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)
def test_is_short_and_says_how_it_is_called(program: Path) -> None:
    text = program.read_text("utf-8")
    assert len(text.splitlines()) <= 45 and "sys.exit(__doc__)" in text
    assert f"usage: python examples/{program.name} " in (ast.get_docstring(ast.parse(text)) or "")


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)
def test_is_run_by_a_test_and_found_from_the_docs(program: Path) -> None:
    assert Path(__file__).with_name(f"test_{program.name}").is_file()
    assert f"(../examples/{program.name})" in RECIPES + TRAINING


def test_there_are_six() -> None:
    assert len(PROGRAMS) == 6
