# SPDX-License-Identifier: Apache-2.0
import os

import numpy as np
import pytest

from vcf_benchmarks.harness.timing import (
    counted_rounds,
    one_core,
    paired_ms,
    parts,
    ratio_interval,
    summary,
    timed_ms,
)


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


def test_rounds_of_the_warm_up_do_not_count():
    assert list(counted_rounds(3)) == [False, True, True, True]
    assert list(counted_rounds(1, 2)) == [False, False, True]


def test_what_a_timed_call_returns_comes_back():
    took_ms, value = timed_ms(lambda: "answer")
    assert value == "answer" and took_ms >= 0


def test_medians_of_consecutive_parts() -> None:
    assert parts([1, 2, 3, 10, 20, 30, 5, 5, 5]) == [[1, 2, 3], [10, 20, 30], [5, 5, 5]]
    assert parts([4.0, 6.0]) == [[4.0], [6.0]]


def test_interval_of_a_ratio_holds_the_true_one() -> None:
    rng = np.random.default_rng(3)
    under = rng.normal(100, 5, 60)
    low, high = ratio_interval(list(1.2 * rng.normal(100, 5, 60)), list(under))
    assert low < 1.2 < high and high - low < 0.1
    low, high = ratio_interval(list(1.2 * under), list(under))
    assert low == pytest.approx(1.2) and high == pytest.approx(1.2)
