# SPDX-License-Identifier: Apache-2.0
"""Repeated wall-clock timing. Machines are shared: medians and ratios within one run are what can be trusted."""

import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import TypeVar

import numpy as np

T = TypeVar("T")
BREATH_S = 0.05
"""Threads of matrix products that still wait for more work have gone to sleep by then."""


def counted_rounds(runs: int, warm_up: int = 1) -> Iterator[bool]:
    """Yield for each round whether it counts: those of the warm-up do not."""
    yield from [False] * warm_up
    yield from [True] * runs


def timed_ms(call: Callable[[], T]) -> tuple[float, T]:
    """Return the wall time of a call in milliseconds, and what it returned."""
    started = time.perf_counter()
    value = call()
    return (time.perf_counter() - started) * 1e3, value


def paired_ms(runs: int, *, breath_s: float = 0.0, **ways: Callable[[], object]) -> dict[str, list[float]]:
    """Time several ways to do one thing in turn, A B A B …, after one uncounted round; milliseconds of each run.

    ``breath_s`` is a pause before each.
    """
    times: dict[str, list[float]] = {name: [] for name in ways}
    for counted in counted_rounds(runs):
        for name, way in ways.items():
            time.sleep(breath_s)
            took_ms, _ = timed_ms(way)
            if counted:
                times[name].append(took_ms)
    return times


def summary(times_ms: list[float]) -> dict[str, float]:
    """Return minimum, median and maximum."""
    return {
        "min_ms": round(min(times_ms), 3),
        "median_ms": round(statistics.median(times_ms), 3),
        "max_ms": round(max(times_ms), 3),
    }


def parts(times_ms: Sequence[float], windows: int = 3) -> list[Sequence[float]]:
    """Cut times into consecutive parts of about equal length; as many as there are times, if those are fewer."""
    edges = np.linspace(0, len(times_ms), min(windows, len(times_ms)) + 1).astype(int)
    return [times_ms[start:end] for start, end in pairwise(edges)]


def ratio_interval(
    over_ms: Sequence[float], under_ms: Sequence[float], confidence: float = 0.95, resamples: int = 2000
) -> tuple[float, float]:
    """Return the interval of the ratio of two medians, by resampling the rounds of both (percentile bootstrap)."""
    over, under = np.asarray(over_ms), np.asarray(under_ms)
    rounds = np.random.default_rng(0).integers(0, len(over), (resamples, len(over)))
    ratios = np.median(over[rounds], 1) / np.median(under[rounds], 1)
    low, high = np.quantile(ratios, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


@contextmanager
def one_core() -> Iterator[None]:
    """Confine this process to one core; what it starts inside stays there."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
