# SPDX-License-Identifier: Apache-2.0
"""Repeated wall-clock timing. Machines are shared: medians and ratios within one run are what can be trusted."""

import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any


def paired_ms(runs: int, **ways: Callable[[], object]) -> dict[str, list[float]]:
    """Time several ways to do one thing in turn, A B A B …, after one uncounted round; milliseconds of each run."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for counted in [False] + [True] * runs:
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            if counted:
                times[name].append((time.perf_counter() - started) * 1e3)
    return times


def summary(times_ms: list[float]) -> dict[str, float]:
    """Minimum, median and maximum."""
    return {
        "min_ms": round(min(times_ms), 3),
        "median_ms": round(statistics.median(times_ms), 3),
        "max_ms": round(max(times_ms), 3),
    }


@contextmanager
def one_core() -> Iterator[None]:
    """Confine this process to one core; what it starts inside stays there."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def machine() -> dict[str, Any]:
    """What a figure depends on and a reader needs to know."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": platform.machine(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("numpy", "scipy")},
    }
