# SPDX-License-Identifier: Apache-2.0
import json

import pytest

from vcf_benchmarks.drills.figures import Line


@pytest.mark.parametrize(
    ("value", "goal", "met"), [(1.0, 1.0, True), (1.01, 1.0, False), (0.0, 0.0, True), (99.0, None, True)]
)
def test_a_figure_without_a_goal_is_only_told(value: float, goal: float | None, met: bool) -> None:
    assert Line("soak", "growth, MB", value, goal).met is met


def test_a_line_stands_in_json_as_it_is() -> None:
    line = Line("soak", "growth, MB", 1.5, 2.0, "MB", "7.5")
    assert Line(**json.loads(json.dumps(line.plain()))) == line
