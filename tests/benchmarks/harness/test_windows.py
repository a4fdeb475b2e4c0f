# SPDX-License-Identifier: Apache-2.0
import statistics
from collections.abc import Iterator

import pytest

from vcf_benchmarks.harness.result import Target
from vcf_benchmarks.harness.windows import COUNTED, MOST, means, medians, ratios, recent, rounds_of, until_settled


def measured(windows: list[float], goal: float) -> tuple[int, Target]:
    """Windows of one round that come in this order: how many were measured, and what is made of them."""
    coming: Iterator[float] = iter(windows)
    kept: list[float] = []

    def target() -> Target:
        return Target("t", statistics.median(recent(kept, 1)), goal, windows=tuple(kept))

    number = until_settled(lambda: kept.append(next(coming)), lambda: bool(target().unsettled), len(windows))
    return number, target()


def test_the_last_three_windows_count_once_they_agree() -> None:
    number, target = measured([1.0, 2.0, 1.0, 1.04, 1.02, 9.0], goal=1.01)
    assert number == 5 and target.value == 1.02
    assert target.windows == (1.0, 2.0, 1.0, 1.04, 1.02)  # what was left out can be seen
    assert target.unsettled is None and not target.met


@pytest.mark.parametrize("goal", [0.5, 5.0])
def test_windows_that_do_not_agree_are_settled_if_all_fall_on_one_side(goal: float) -> None:
    number, target = measured([1.0, 2.0, 3.0, 1.0], goal)
    assert number == COUNTED and target.unsettled is None


def test_windows_that_never_agree_break_the_run_if_any_was_on_the_other_side() -> None:
    """Whatever the last three say: going on until they happen to fall on one side would be a coin tossed again."""
    number, target = measured([3.0, 1.0, 1.2, 1.4], goal=1.5)
    assert number == 4 and target.met
    assert target.unsettled and "3, 1, 1.2, 1.4" in target.unsettled


def test_three_windows_at_least() -> None:
    assert until_settled(lambda: None, lambda: False) == COUNTED
    assert until_settled(lambda: None, lambda: True) == MOST
    with pytest.raises(ValueError, match="most is 2"):
        until_settled(lambda: None, lambda: False, 2)


def test_figures_of_windows() -> None:
    assert [rounds_of(runs) for runs in (1, 3, 9, 40)] == [1, 1, 3, 13]
    values = [1.0, 2.0, 9.0, 4.0, 5.0, 6.0]
    assert medians(values, 3) == [2.0, 5.0]
    assert means(values, 3) == [4.0, 5.0]
    assert ratios([2 * value for value in values], values, 3) == (2.0, 2.0)
    assert recent(list(range(20)), 2) == [14, 15, 16, 17, 18, 19]


def test_ratios_by_windows_leave_out_what_both_share() -> None:
    slow_minute = [100.0, 100.0, 200.0, 200.0, 120.0, 120.0]
    assert ratios([1.5 * ms for ms in slow_minute], slow_minute, 2) == pytest.approx([1.5] * 3)
