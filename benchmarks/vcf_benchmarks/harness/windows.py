# SPDX-License-Identifier: Apache-2.0
"""The length of a measurement: it goes on until its last three windows agree, or leave no doubt about its goal.

As NVIDIA's perf_analyzer does, window after window is measured, and the figures are those of the last three. What
`Target.unsettled` asks for in place of agreement is harder the more windows there are: all of them on one side.
"""

import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")
COUNTED = 3
MOST = 9
"""Windows, unless they are long."""


def settling(unsettled: Callable[[], bool], most: int = MOST) -> Iterator[int]:
    """Yield numbers of windows to measure, three at least, until no figure is unsettled or there are ``most``."""
    if most < COUNTED:
        raise ValueError(f"most is {most}, it must be {COUNTED} or more")
    for number in range(1, most + 1):
        yield number
        if number >= COUNTED and not unsettled():
            return


def until_settled(measure: Callable[[], None], unsettled: Callable[[], bool], most: int = MOST) -> int:
    """Measure windows as `settling` counts them, and return how many."""
    windows = 0
    for _ in settling(unsettled, most):
        measure()
        windows += 1
    return windows


def rounds_of(runs: int) -> int:
    """Return how many rounds a window has, where three of them shall hold about ``runs``."""
    return max(1, round(runs / COUNTED))


def recent(values: Sequence[T], rounds: int) -> Sequence[T]:
    """Return those of the last three windows of so many rounds each."""
    return values[-COUNTED * rounds :]


def medians(values: Sequence[float], rounds: int) -> list[float]:
    """Return the median of each window of so many rounds, from the first measured to the last."""
    return [statistics.median(values[start : start + rounds]) for start in range(0, len(values), rounds)]


def means(values: Sequence[float], rounds: int) -> list[float]:
    """Return the means, for what adds up and for what a coarse clock counts, whose single readings are whole ticks."""
    return [statistics.mean(values[start : start + rounds]) for start in range(0, len(values), rounds)]


def ratios(over: Sequence[float], under: Sequence[float], rounds: int) -> tuple[float, ...]:
    """Return the ratio of the medians of each window. A machine that is slow for a minute is so for both."""
    return tuple(a / b for a, b in zip(medians(over, rounds), medians(under, rounds), strict=True))
