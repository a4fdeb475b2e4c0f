# SPDX-License-Identifier: Apache-2.0
import os

import pytest

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
