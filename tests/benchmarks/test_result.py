# SPDX-License-Identifier: Apache-2.0
import json

import pytest

from benchmarks.page import Section, shown
from benchmarks.result import Result, Target


@pytest.mark.parametrize(
    ("value", "goal", "at_most", "met"), [(1.0, 1.0, True, True), (1.1, 1.0, True, False), (0.9, 1.0, False, False)]
)
def test_a_target_is_met_on_the_right_side(value: float, goal: float, at_most: bool, met: bool) -> None:
    assert Target("ratio", value, goal, at_most).met is met


def test_json_and_page_lie_side_by_side(tmp_path) -> None:
    result = Result(
        "stages", {"slices": 300}, targets=[Target("ratio <p50>", 1.2, 1.15)], broken=["the clock stood still"]
    )
    result.sections.append(Section("A & B", header=("name", "ms"), rows=[("one", 1.5), ("two", None)]))
    path = result.write(tmp_path / "deep" / "stages.json")
    document = json.loads(path.read_text())
    assert document["targets"] == [
        {"name": "ratio <p50>", "value": 1.2, "goal": 1.15, "at_most": True, "windows": [], "met": False}
    ]
    assert document["valid"] is False and document["settings"] == {"slices": 300}
    page = path.with_suffix(".html").read_text()
    assert "the clock stood still" in page and "A &amp; B" in page and "ratio &lt;p50&gt;" in page and "missed" in page


@pytest.mark.parametrize(
    ("cell", "text"),
    [(None, "–"), ("x", "x"), (3, "3"), (1234567, "1,234,567"), (0.123456, "0.1235"), (54321.6, "54,322")],
)
def test_cells_read_well(cell, text: str) -> None:
    assert shown(cell) == text


@pytest.mark.parametrize(
    ("windows", "settled"),
    [
        ((), True),
        ((1.2, 1.5, 1.3), True),  # far apart, and all on one side
        ((1.14, 1.16, 1.15), True),  # on both sides, and as good as the same
        ((1.0, 1.3, 1.1, 1.2), False),
    ],
)
@pytest.mark.parametrize("at_most", [True, False])
def test_windows_that_differ_about_the_goal_break_the_run(windows, settled, at_most) -> None:
    target = Target("ratio", 1.1, 1.15, at_most, windows)
    assert (target.unsettled is None) is settled
    result = Result("stages", {}, targets=[target])
    assert result.valid is settled and result.document()["broken_rules"] == result.broken_rules
    assert settled or "ratio (goal 1.15) is unstable" in result.broken_rules[0]
