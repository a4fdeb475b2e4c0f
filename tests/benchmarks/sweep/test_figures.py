# SPDX-License-Identifier: Apache-2.0
"""What a sweep found, as figures and as a page."""

import json

import pytest

from tests.benchmarks.sweep.readings import BASE, BF16, FLIPS, PASSED, WIDE, point
from vcf_benchmarks.harness.result import Result
from vcf_benchmarks.pages import draw
from vcf_benchmarks.sweep.choice import choose
from vcf_benchmarks.sweep.figures import add_figures, gain
from vcf_benchmarks.sweep.measure import Point
from vcf_export.tuning import Tuning


def test_gain_is_taken_round_by_round():
    """A machine that is half as fast in the second round is so for both."""
    assert gain(point(WIDE, 5.0, 2.4, 5.5), point(BASE, 4.0, 2.0, 5.0)) == pytest.approx((1.1, 1.2, 1.25))


def test_page_and_figures_say_what_was_chosen_and_why(tmp_path):
    points = [
        point(BASE, 4.0, 4.2, 4.1),
        point(WIDE, 5.0, 5.2, 5.1, low_ms=330.0),
        point(BF16, 8.0),
        Point(Tuning.of("onnxruntime"), refused="no file"),
    ]
    result = Result("sweep", {})
    add_figures(result, points, choose(points, BASE, FLIPS, None, 1.2), FLIPS, "tuned-here")
    path = result.write(tmp_path / "sweep.json")
    document = json.loads(path.read_text())
    figures = document["figures"]
    assert figures["chosen"]["encoders"] == 2 and figures["config"] == "tuned-here"
    assert figures["throughput_over_committed"]["median"] == pytest.approx(5.1 / 4.1)
    assert [entry["why_not"] for entry in figures["points"]] == ["slower", None, "1 decision flips"]
    assert [entry["on_pareto_front"] for entry in figures["points"]] == [False, False, True]
    assert figures["not_started"] == {str(points[3].tuning): "no file"}
    assert document["valid"] and document["figures"]["p99_at_low_load_ms"] > 0
    page = draw(path)[0].read_text()
    assert "1 decision flips" in page and "<svg" in page and "tuned-here" in page


def test_a_sweep_with_nothing_to_choose_does_not_hold():
    points = [point(BASE, 4.0, 4.2)]
    result = Result("sweep", {})
    add_figures(result, points, choose(points, BASE, PASSED, 10, 1.2), PASSED, "tuned")
    assert not result.valid and result.figures["chosen"] is None
