# SPDX-License-Identifier: Apache-2.0
"""The sweep's figures, validity and page: every form, and the curve of throughput against latency."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from benchmarks import validity
from benchmarks.distribution import encoded
from benchmarks.page import Cell, Section, svg
from benchmarks.result import Result
from benchmarks.search import pareto
from benchmarks.sweep_choice import Choice
from benchmarks.sweep_measure import Point
from export.config import RUNGS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = dict(zip(RUNGS, ("#1f4e79", "#c55a11", "#7a2f8f", "#4d8b31"), strict=True))

SETTINGS = ("form", "threads", "prep.", "delay, ms")
"""Columns: instances of each encoder and threads of each, instances of the preparation, the batcher's delay."""


def fill(
    result: Result, points: Sequence[Point], choice: Choice, verdicts: Mapping[str, str | None], name: str
) -> None:
    """Write what was found into the result."""
    measured = [point for point in points if point.readings]
    base = measured[0]
    front = pareto([(point.per_s, point.low(0.5).ms) for point in measured])
    ranked = sorted(measured, key=lambda point: -point.per_s)
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
    result.sections += [
        Section(
            "Throughput against latency",
            f"Each dot is a form on a server of its own. Rule: {choice.rule}. "
            + (f"Chosen and written as {name!r}: {best.tuning}." if best else "None meets it."),
            svg(_plot(measured, choice, front)),
        ),
        Section(
            "Forms that were measured",
            "Throughput of a closed loop, latency of Poisson arrivals at low load. Several rounds mean that the form "
            "was confirmed, in turn with the committed one. Intervals hold the true percentile with 95 %, “?” where so "
            "few studies cannot tell.",
            header=(*SETTINGS, "rounds", "studies/s", "p50, ms", "p99, ms", "verdict"),
            rows=[_speed(point, choice) for point in ranked],
        ),
        Section(
            "What they cost",
            "Memory of all the server's processes, shared pages counted once; the server's processor time for a study; "
            "p99 with all callers at once; the largest difference of a study score from the committed form's.",
            header=(*SETTINGS, "MiB", "CPU s/study", "ready, s", "p99 saturated, ms", "score off by", "flips"),
            rows=[_cost(point, choice) for point in ranked],
        ),
    ]


def gain(point: Point, base: Point) -> tuple[float, float, float]:
    """Throughput over the base's, round by round: smallest, median, largest."""
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


def _settings(point: Point) -> list[Cell]:
    tuned = point.tuning
    threads = tuned.threads or "share"
    delay = "not merged" if tuned.batch_delay_us is None else f"{tuned.batch_delay_us / 1000:g}"
    return [tuned.form, f"{tuned.encoders} × {threads}", tuned.preparation, delay]


def _speed(point: Point, choice: Choice) -> list[Cell]:
    verdict = "chosen" if point is choice.chosen else choice.why_not.get(point.tuning, "")
    return [
        *_settings(point),
        len(point.readings),
        round(point.per_s, 2),
        str(point.low(0.5)),
        f"{point.low(0.99)}, n {len(point.low_ms)}",
        verdict,
    ]


def _cost(point: Point, choice: Choice) -> list[Cell]:
    entry = _entry(point, choice, False)
    return [
        *_settings(point),
        *(entry[key] for key in ("memory_mib", "cpu_s_per_study", "startup_s")),
        round(point.saturated(0.99).ms),
        f"{entry['largest_score_difference']:.0e}",
        entry["decision_flips"],
    ]


def _plot(points: Sequence[Point], choice: Choice, front: Sequence[int]) -> "Figure":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.5, 5))
    axes = figure.subplots()
    rounds = max(len(point.readings) for point in points)
    for form, colour in COLOURS.items():
        of_form = [point for point in points if point.tuning.form == form]
        for point in of_form:
            p50, p99 = (point.low(quantile).ms for quantile in (0.5, 0.99))
            confirmed = len(point.readings) == rounds > 1
            axes.plot([point.per_s] * 2, [p50, p99], color=colour, lw=1, alpha=0.45)
            axes.plot(point.per_s, p99, "_", color=colour, ms=9)
            axes.plot(point.per_s, p50, "o", color=colour, ms=7 if confirmed else 5, mfc=colour if confirmed else "w")
        if of_form:
            axes.plot([], [], "o", color=colour, label=form)
    axes.plot(
        [points[number].per_s for number in front],
        [points[number].low(0.5).ms for number in front],
        "--",
        color="#888",
        lw=1,
        zorder=0,
        label="Pareto front (p50)",
    )
    axes.axhline(choice.bound_ms, color="#a11616", lw=0.8, ls=":", label=f"bound of p99, {choice.bound_ms:.0f} ms")
    base = points[0]
    axes.annotate("committed", (base.per_s, base.low(0.5).ms), (-8, -4), textcoords="offset points", ha="right")
    if choice.chosen:
        best = choice.chosen
        axes.plot(best.per_s, best.low(0.5).ms, "o", ms=15, mfc="none", mec="#0a6b2d", mew=1.6, label="chosen")
    axes.set_xlabel("studies a second at saturation")
    axes.set_ylabel("latency at low load, ms (dot p50, bar p99)")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    return figure
