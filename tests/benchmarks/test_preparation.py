# SPDX-License-Identifier: Apache-2.0
import os

import pytest

from benchmarks.preparation import Shape, measure
from benchmarks.timing import one_core, paired_ms, summary


def test_ways_take_turns_and_the_first_round_does_not_count():
    order = []
    times = paired_ms(3, a=lambda: order.append("a"), b=lambda: order.append("b"))
    assert order == ["a", "b"] * 4
    assert [len(v) for v in times.values()] == [3, 3]


def test_one_core_is_given_back():
    before = os.sched_getaffinity(0)
    with pytest.raises(RuntimeError, match="inside"), one_core():
        assert len(os.sched_getaffinity(0)) == 1
        raise RuntimeError("inside")
    assert os.sched_getaffinity(0) == before


def test_summary_is_minimum_median_maximum():
    assert summary([3.0, 1.0, 10.0]) == {"min_ms": 1.0, "median_ms": 3.0, "max_ms": 10.0}


def test_the_report_holds_both_ways_and_their_ratios():
    figures = measure(Shape(slices=60, pixels=64, spacing_z_mm=2.5, pixel_mm=2.0), runs=2)
    assert figures["volume"] == [60, 64, 64]
    assert figures["machine"]["cores_used"] == 1
    for way in ("ours", "scipy", "scipy_float32"):
        assert 0 < figures[way]["min_ms"] <= figures[way]["median_ms"]
    assert figures["times_faster_than_scipy"]["min"] <= figures["times_faster_than_scipy"]["max"]
