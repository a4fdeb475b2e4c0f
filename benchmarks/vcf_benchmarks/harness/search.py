# SPDX-License-Identifier: Apache-2.0
"""Search of settings when each measurement takes half a minute: one factor at a time, again until nothing improves."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

P = TypeVar("P")
Levels = Sequence[Mapping[str, Any]]
"""The levels of a factor: for each level the fields it sets; fields that only make sense together are one factor."""
GAIN = 0.03
"""A level must be better by this share to be taken: less is within the noise of short measurements."""


def one_at_a_time(
    start: P,
    factors: Mapping[str, Levels],
    measure: Callable[[P], float | None],
    may_go_on: Callable[[], bool] = lambda: True,
    gain: float = GAIN,
) -> dict[P, float | None]:
    """Measure every level of one factor with the others as good as known, keep the best, go on with the next factor.

    A second pass sees whether a factor's best level has changed with the others; it costs only what was not measured
    before. Interactions of factors that no pass meets stay unseen: factors that interact belong together.

    Parameters
    ----------
    start
        A frozen dataclass.
    factors
        The most effective first.
    measure
        Figure of merit of a point, larger is better; None where it cannot be used.
    may_go_on
        Asked before each measurement but the first.

    Returns
    -------
    dict
        All that were measured, in that order, ``start`` first.
    """
    found: dict[P, float | None] = {start: measure(start)}
    best = start

    def merit(point: P) -> float:
        value = found[point]
        return float("-inf") if value is None else value

    while True:
        before = best
        for levels in factors.values():
            around = best
            for level in levels:
                point = replace(around, **level)  # type: ignore[type-var]
                if point not in found:
                    if not may_go_on():
                        return found
                    found[point] = measure(point)
                if merit(point) > merit(best) * (1 + (gain if best == around else 0)):
                    best = point
        if best == before:
            return found


def pareto(points: Sequence[tuple[float, float]]) -> list[int]:
    """Return which of (throughput, latency) are beaten by no other that is better in one and not worse in the other.

    In order of throughput.
    """
    front = []
    for number, (rate, latency) in enumerate(points):
        beaten = any(
            (other_rate >= rate and other_latency < latency) or (other_rate > rate and other_latency <= latency)
            for other_rate, other_latency in points
        )
        if not beaten:
            front.append(number)
    return sorted(front, key=lambda number: points[number])
