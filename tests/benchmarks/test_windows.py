# SPDX-License-Identifier: Apache-2.0
from collections.abc import Iterator

import pytest

from benchmarks.result import Target
from benchmarks.windows import COUNTED, MOST, forget, rounds_of, until_settled


def measured(windows: list[float], goal: float) -> tuple[int, list[float]]:
    """Windows that come in this order, under the rule for targets; how many were measured, and those that count."""
    coming: Iterator[float] = iter(windows)
    kept: list[float] = []

    def window() -> None:
        kept.append(next(coming))
        forget(1, kept)

    number = until_settled(
        window, lambda: bool(Target("t", kept[-1], goal, windows=tuple(kept)).unsettled), len(windows)
    )
    return number, kept


def test_the_last_three_windows_count_once_they_agree() -> None:
    assert measured([1.0, 2.0, 1.0, 1.04, 1.02, 9.0], goal=1.01) == (5, [1.0, 1.04, 1.02])


@pytest.mark.parametrize("goal", [0.5, 5.0])
def test_windows_on_one_side_of_the_goal_are_settled_whichever_side(goal: float) -> None:
    assert measured([1.0, 2.0, 3.0, 1.0], goal)[0] == COUNTED


def test_windows_that_never_agree_come_to_an_end() -> None:
    assert measured([1.0, 2.0] * 3, goal=1.5) == (6, [2.0, 1.0, 2.0])


def test_three_windows_at_least() -> None:
    assert until_settled(lambda: None, lambda: False) == COUNTED
    assert until_settled(lambda: None, lambda: True) == MOST
    with pytest.raises(ValueError, match="most is 2"):
        until_settled(lambda: None, lambda: False, 2)


def test_rounds_of_a_window() -> None:
    assert [rounds_of(runs) for runs in (1, 3, 9, 40)] == [1, 1, 3, 13]
    values = list(range(20))
    forget(rounds_of(9), values)
    assert values == list(range(11, 20))
