# SPDX-License-Identifier: Apache-2.0
import json

import pytest

from vcf_benchmarks.harness.result import SCHEMA, Result, Target


@pytest.mark.parametrize(
    ("value", "goal", "at_most", "met"), [(1.0, 1.0, True, True), (1.1, 1.0, True, False), (0.9, 1.0, False, False)]
)
def test_a_target_is_met_on_the_right_side(value: float, goal: float, at_most: bool, met: bool) -> None:
    assert Target("ratio", value, goal, at_most).met is met


def test_the_json_says_how_it_came_to_be(tmp_path) -> None:
    result = Result("floor", {"runs": 3}, targets=[Target("ratio", 1.2, 1.15)], broken=["the clock stood still"])
    document = json.loads(result.write(tmp_path / "deep" / "floor.json").read_text())
    assert document["targets"] == [
        {"name": "ratio", "value": 1.2, "goal": 1.15, "at_most": True, "windows": [], "met": False}
    ]
    assert document["valid"] is False and document["settings"] == {"runs": 3}
    assert (document["schema"], document["kind"]) == (SCHEMA, "floor")
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["floor.json"]


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
