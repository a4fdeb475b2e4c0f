# SPDX-License-Identifier: Apache-2.0
"""Figures of drills are kept by drill, and the page is written anew between its marks."""

import json
from pathlib import Path

import pytest

from vcf_benchmarks.drills import page
from vcf_benchmarks.drills.figures import Line

ABOUT = {"machine": {"processor": "a processor", "cores": 2}, "commit": "abc", "full": False}
LINES = [Line("bombs", "a bomb: processor time", 3.5, 2, "s", "21 s"), Line("bombs", "tracebacks", 0, goal=0)]


@pytest.fixture
def kept(tmp_path: Path) -> tuple[Path, Path]:
    text = f"# Drills\n\nbefore\n{page.BEGIN}\nold\n{page.END}\nafter\n"
    (tmp_path / "drills.md").write_text(text)
    return tmp_path / "drills.json", tmp_path / "drills.md"


def test_only_what_lies_between_the_marks_is_rewritten(kept: tuple[Path, Path]) -> None:
    page.keep("bombs", LINES, ABOUT, *kept)
    text = kept[1].read_text()
    assert text.startswith("# Drills\n\nbefore\n") and text.endswith(f"{page.END}\nafter\n") and "old" not in text
    assert "| a bomb: processor time | 21 s | 3.5 s | ≤ 2 | missed |" in text
    assert "| tracebacks |  | 0  | 0 |  |" in text
    assert "`make drills DRILLS=bombs`, in its short form: a processor, 2 cores, commit abc." in text


def test_each_drill_keeps_its_last_figures(kept: tuple[Path, Path]) -> None:
    page.keep("bombs", LINES, ABOUT, *kept)
    page.keep("stop", [Line("stop", "seconds", 8.5, 10, "s")], ABOUT, *kept)
    page.keep("bombs", LINES[1:], ABOUT, *kept)
    found = json.loads(kept[0].read_text())
    assert [len(found[name]["lines"]) for name in ("bombs", "stop")] == [1, 1]
    assert kept[1].read_text().index("### Bombs") < kept[1].read_text().index("### Stopping")


def test_the_committed_page_is_that_of_the_committed_figures(tmp_path: Path) -> None:
    if not page.FIGURES.is_file():
        pytest.skip("no figures are committed")
    copy = tmp_path / "drills.md"
    copy.write_text(page.PAGE.read_text())
    page.write(json.loads(page.FIGURES.read_text()), copy)
    assert copy.read_text() == page.PAGE.read_text()
