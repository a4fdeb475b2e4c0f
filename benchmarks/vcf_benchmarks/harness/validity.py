# SPDX-License-Identifier: Apache-2.0
"""Rules that a run must keep for its figures to mean anything; each gives the sentence that says how it was broken."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import psutil

from vcf_benchmarks.harness.distribution import percentile
from vcf_benchmarks.harness.processes import family_cpu_s

STABLE_WITHIN = 0.10
"""Largest over smallest window, less one (the rule of NVIDIA's perf_analyzer)."""
LAG_SHARE = 0.02
"""A share of the median latency: how late the generator may send at its 99th percentile."""
LAG_FLOOR_MS = 2.0
"""A lag under this is always allowed: it is what the scheduler of a desktop kernel gives."""
BUSY_SHARE = 0.5
"""A share of the time of the thread that sends: with more, calls begin to wait for each other in the generator."""
FOREIGN_CPU_SHARE = 0.10
"""A share of all cores: processor time that neither the benchmark nor the server used."""


def unstable(windows: Sequence[float], what: str, within: float = STABLE_WITHIN) -> str | None:
    """Return the rule that windows break that differ by more than ``within``."""
    spread = max(windows) / min(windows) - 1
    if spread <= within:
        return None
    shown = ", ".join(f"{window:.4g}" for window in windows)
    return f"{what} is unstable: windows of {shown} differ by {spread:.0%}, over {within:.0%}"


def unstable_medians(windows: Sequence[Sequence[float]], what: str) -> str | None:
    """Return the rule of windows whose medians differ by more than is allowed, and by more than chance.

    Where the intervals of all medians have a value in common, longer windows are needed to tell, and the intervals say
    so. An interval with an open end excuses nothing: of few values, or of a queue that only grows and so has no
    independent ones, nothing can be told.
    """
    medians = [percentile(window, 0.5) for window in windows]
    lows = [one.low_ms for one in medians if one.low_ms is not None]
    highs = [one.high_ms for one in medians if one.high_ms is not None]
    if len(lows) == len(highs) == len(medians) and max(lows) <= min(highs):
        return None
    return unstable([float(np.median(window)) for window in windows], what)


def lagging(lag_ms: Sequence[float], median_latency_ms: float) -> str | None:
    """Return the rule of a generator that sends later than scheduled, so that the load was not the one named."""
    p99, bound = float(np.percentile(lag_ms, 99)), max(LAG_FLOOR_MS, LAG_SHARE * median_latency_ms)
    return (
        None if p99 <= bound else f"the generator lagged {p99:.1f} ms behind its schedule at p99, over {bound:.1f} ms"
    )


def wrong(answers: int, mistaken: int) -> str | None:
    """Return the rule of any answer that differs from the reference."""
    return None if not mistaken else f"{mistaken} of {answers} answers differ from the reference"


def failed(calls: int, codes: Sequence[str]) -> str | None:
    """Return the rule of any call without an answer; ``codes`` are those of the errors."""
    if not codes:
        return None
    kinds = ", ".join(f"{codes.count(code)} × {code}" for code in sorted(set(codes)))
    return f"{len(codes)} of {calls} calls failed: {kinds}"


def saturated(loop_share: float) -> str | None:
    """Return the rule of a generator whose sending thread has next to no time left."""
    return (
        None
        if loop_share <= BUSY_SHARE
        else f"the generator's thread was busy {loop_share:.0%} of the time, over {BUSY_SHARE:.0%}"
    )


@dataclass
class Watch:
    """The shares of the machine that others took during a measurement; known after it."""

    foreign_share: float = 0.0
    stolen_share: float = 0.0

    @property
    def broken(self) -> list[str]:
        """Rules that the machine broke."""
        found = []
        if self.foreign_share > FOREIGN_CPU_SHARE:
            found.append(
                f"other processes used {self.foreign_share:.0%} of the processor, over {FOREIGN_CPU_SHARE:.0%}"
            )
        if self.stolen_share > FOREIGN_CPU_SHARE / 2:
            found.append(f"the hypervisor withheld {self.stolen_share:.0%} of the processor: a throttled machine")
        return found


@dataclass(frozen=True)
class Ticks:
    """Processor time of the machine so far, in seconds: all of it, and what of it was idle, withheld, or ours."""

    total_s: float
    idle_s: float
    stolen_s: float
    ours_s: float


def ticks(pids: Sequence[int]) -> Ticks:
    """Read the counters of the machine, and those of these processes and their descendants."""
    now = psutil.cpu_times()
    idle_s = now.idle + getattr(now, "iowait", 0.0)
    return Ticks(sum(now), idle_s, getattr(now, "steal", 0.0), sum(map(family_cpu_s, pids)))


@contextmanager
def watched(*pids: int, read: Callable[[Sequence[int]], Ticks] = ticks) -> Iterator[Watch]:
    """Watch the machine while these processes, and their descendants, are measured."""
    watch, before = Watch(), read(pids)
    yield watch
    after = read(pids)
    total_s = after.total_s - before.total_s
    if total_s <= 0:
        return
    stolen_s = after.stolen_s - before.stolen_s
    known_s = stolen_s + (after.idle_s - before.idle_s) + (after.ours_s - before.ours_s)
    watch.stolen_share = stolen_s / total_s
    watch.foreign_share = max(0.0, (total_s - known_s) / total_s)
