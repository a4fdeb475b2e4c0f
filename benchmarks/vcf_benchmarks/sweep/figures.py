# SPDX-License-Identifier: Apache-2.0
"""The sweep's figures and validity."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from vcf_benchmarks.harness import validity
from vcf_benchmarks.harness.distribution import encoded
from vcf_benchmarks.harness.result import Result
from vcf_benchmarks.harness.search import pareto
from vcf_benchmarks.sweep.choice import Choice
from vcf_benchmarks.sweep.measure import Point


def add_figures(
    result: Result, points: Sequence[Point], choice: Choice, verdicts: Mapping[str, str | None], name: str
) -> None:
    """Write what was found into the result."""
    measured = [point for point in points if point.readings]
    base = measured[0]
    front = pareto([(point.per_s, point.low(0.5).ms) for point in measured])
    best = choice.chosen
    result.figures = {
        "rule": choice.rule,
        "p99_bound_ms": round(choice.bound_ms, 1),
        "accuracy": dict(verdicts),
        "chosen": asdict(best.tuning) if best else None,
        "config": name if best else None,
        "points": [_entry(point, choice, number in front) for number, point in enumerate(measured)],
        "not_started": {str(point.tuning): point.refused for point in points if point.refused},
    }
    result.histograms = {str(point.tuning): {"low": encoded(point.low_ms)} for point in measured}
    watches = [reading.watch for point in measured for reading in point.readings]
    result.broken += validity.Watch(
        max(watch.foreign_share for watch in watches), max(watch.stolen_share for watch in watches)
    ).broken
    for point in measured:
        result.broken += _broken(point)
    if best is None:
        result.broken.append("no form meets the rule: none is written")
    else:
        low, middle, high = gain(best, base)
        # Figures, not targets: the rule that chose the form meets them by itself.
        result.figures["throughput_over_committed"] = {"min": low, "median": middle, "max": high}
        result.figures["p99_at_low_load_ms"] = best.low(0.99).ms


def gain(point: Point, base: Point) -> tuple[float, float, float]:
    """Return throughput over the base's, round by round: smallest, median, largest."""
    ratios = [
        mine.saturated_per_s / other.saturated_per_s for mine, other in zip(point.readings, base.readings, strict=True)
    ]
    return min(ratios), statistics.median(ratios), max(ratios)


def _broken(point: Point) -> list[str]:
    rules: list[str | None] = []
    for reading in point.readings:
        median_ms = statistics.median(reading.low_ms)
        rules.append(validity.lagging(reading.low_lag_ms, median_ms))
    if len(point.readings) >= 3:
        rules.append(validity.unstable([reading.saturated_per_s for reading in point.readings], "the throughput"))
    return [f"{point.tuning}: {rule}" for rule in dict.fromkeys(rules) if rule]


def _entry(point: Point, choice: Choice, on_front: bool) -> dict[str, Any]:
    return {
        **asdict(point.tuning),
        "rounds": len(point.readings),
        "saturated_per_s": [round(reading.saturated_per_s, 3) for reading in point.readings],
        "low": [point.low(quantile).entry() for quantile in (0.5, 0.99)],
        "saturated": [point.saturated(quantile).entry() for quantile in (0.5, 0.99)],
        "memory_mib": round(point.memory_mib),
        "cpu_s_per_study": round(statistics.median(reading.cpu_s for reading in point.readings), 3),
        "startup_s": round(statistics.median(reading.startup_s for reading in point.readings), 2),
        "largest_score_difference": max(reading.difference for reading in point.readings),
        "decision_flips": max(reading.flips for reading in point.readings),
        "on_pareto_front": on_front,
        "why_not": choice.why_not.get(point.tuning),
    }
