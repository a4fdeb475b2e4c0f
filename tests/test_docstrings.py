# SPDX-License-Identifier: Apache-2.0
"""Docstrings begin with a sentence, as NumPy's do, and not with a piece of one."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

FOLDERS = [
    "backends",
    "benchmarks",
    "cli",
    "clients/python",
    "contract",
    "deploy",
    "examples",
    "export",
    "model_repository",
    "preprocess",
    "screening",
    "serving",
    "training",
]
# Words that a subordinate clause or a phrase begins with. "To" and "If" may begin a whole sentence.
PIECES = frozenset(
    """After And As At Before Between By For From How In Like Of On Or Over Per That Under Until What When Where Whether
    Which While Who With Within Without""".split()  # noqa: SIM905
)


def pieces(source: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            words = (ast.get_docstring(node) or "").split(maxsplit=1)
            if words and words[0] in PIECES:
                found.append(f"{getattr(node, 'name', 'the module')}: {words[0]} …")
    return found


@pytest.mark.parametrize("folder", FOLDERS)
def test_docstrings_begin_with_a_sentence(folder: str) -> None:
    files = [path for path in (ROOT / folder).rglob("*.py") if "node_modules" not in path.parts]
    assert files
    found = {str(path.relative_to(ROOT)): pieces(path.read_text()) for path in files}
    assert not {path: places for path, places in found.items() if places}


def test_a_piece_is_found() -> None:
    assert pieces('"""Of it."""\ndef f():\n    """Whether so."""\n') == ["the module: Of …", "f: Whether …"]
    assert not pieces('"""Tell whether so."""\nclass A:\n    pass\n')
