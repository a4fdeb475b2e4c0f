# SPDX-License-Identifier: Apache-2.0
"""Figures and targets of what was measured."""

import statistics

from vcf_benchmarks.harness.closed_loop import Loop
from vcf_benchmarks.harness.distribution import encoded, percentile
from vcf_benchmarks.harness.result import Result, Target
from vcf_benchmarks.harness.timing import ratio_interval
from vcf_benchmarks.harness.windows import means, medians, ratios, recent
from vcf_benchmarks.overhead.goals import IN_PROCESS, LATENCY_GOALS, THROUGHPUT_GOAL

LOOPS = 3
"""Loops of each way in a window, in turn: a machine that changes its speed within seconds does so for all ways."""


def add_latency(result: Result, way: str, all_ms: list[float], all_in_process_ms: list[float], rounds: int) -> None:
    """Write the latency of one way into the result."""
    times_ms, in_process_ms = recent(all_ms, rounds), recent(all_in_process_ms, rounds)
    result.figures.setdefault("latency", {})[way] = {
        "p50": percentile(times_ms, 0.5).entry(),
        "p90": percentile(times_ms, 0.9).entry(),
        "window_medians_ms": medians(all_ms, rounds),
        "over_in_process": statistics.median(times_ms) / statistics.median(in_process_ms),
        "over_in_process_interval": ratio_interval(times_ms, in_process_ms),
    }
    result.histograms[f"latency {way}"] = encoded(times_ms)
    if way in LATENCY_GOALS:
        result.targets.append(latency_target(way, all_ms, all_in_process_ms, rounds))


def latency_target(way: str, all_ms: list[float], all_in_process_ms: list[float], rounds: int) -> Target:
    """Return the ratio of medians of the windows that count, and that of each window."""
    ratio = statistics.median(recent(all_ms, rounds)) / statistics.median(recent(all_in_process_ms, rounds))
    windows = ratios(all_ms, all_in_process_ms, rounds)
    return Target(f"serving overhead, p50 {way} over in one process", ratio, LATENCY_GOALS[way], windows=windows)


def add_throughput(result: Result, way: str, rounds: list[Loop], in_process: list[Loop]) -> None:
    """Write the loops of one way into the result."""
    counted = recent(rounds, LOOPS)
    result.figures.setdefault("throughput", {})[way] = {
        "at_once": rounds[0].at_once,
        "per_s": statistics.median(loop.per_s for loop in counted),
        "rounds_per_s": [loop.per_s for loop in rounds],
        "share_of_in_process": throughput_target(way, rounds, in_process).value,
    }
    result.histograms[f"saturated latency {way}"] = encoded([ms for loop in counted for ms in loop.latencies_ms])
    if way != IN_PROCESS:
        result.targets.append(throughput_target(way, rounds, in_process))


def throughput_target(way: str, rounds: list[Loop], in_process: list[Loop]) -> Target:
    """Return studies of a window's loops over studies of those in one process."""
    ours, theirs = (means([loop.per_s for loop in loops], LOOPS) for loops in (rounds, in_process))
    shares = tuple(a / b for a, b in zip(ours, theirs, strict=True))
    share = statistics.median(recent(shares, 1))
    return Target(f"throughput at saturation, {way} over in one process", share, THROUGHPUT_GOAL, False, shares)
