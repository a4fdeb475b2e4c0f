# SPDX-License-Identifier: Apache-2.0
"""The page of ``vcf bench sweep``: every form, and the curve of throughput against latency."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from vcf_benchmarks.harness.page import GREEN, GREY, RED, Cell, Document, Section, axes_of, interval, svg

COLOURS = ("#1f4e79", "#c55a11", "#7a2f8f", "#4d8b31")
"""Colours of the forms, in their order."""
FIELDS = ("form", "preparation", "encoders", "threads", "batch_delay_us")
"""The fields of a tuned form."""
SETTINGS = ("form", "threads", "prep.", "delay, ms")
"""Columns: instances of the encoder and threads of each, instances of the preparation, the batcher's delay."""

Point = Mapping[str, Any]


def sections(document: Document) -> list[Section]:
    """Return the sections of the page."""
    figures = document["figures"]
    points: Sequence[Point] = figures["points"]
    ranked = sorted(points, key=lambda point: -_per_s(point))
    chosen = next((point for point in points if _is_chosen(point, figures)), None)
    verdict = f"Chosen and written as {figures['config']!r}: {_name(chosen)}." if chosen else "None meets it."
    return [
        Section(
            "Throughput against latency",
            f"Each dot is a form on a server of its own. Rule: {figures['rule']}. {verdict}",
            svg(_plot(points, chosen, figures["p99_bound_ms"])),
        ),
        Section(
            "Forms that were measured",
            "Throughput of a closed loop, latency of Poisson arrivals at low load. Several rounds mean that the form "
            "was confirmed, in turn with the committed one. Intervals hold the true percentile with 95 %, “?” where so "
            "few studies cannot tell.",
            header=(*SETTINGS, "rounds", "studies/s", "p50, ms", "p99, ms", "verdict"),
            rows=[_speed(point, figures) for point in ranked],
        ),
        Section(
            "What they cost",
            "Memory of all the server's processes, shared pages counted once; the server's processor time for a study; "
            "p99 with all callers at once; the largest difference of a study score from the committed form's.",
            header=(*SETTINGS, "MiB", "CPU s/study", "ready, s", "p99 saturated, ms", "score off by", "flips"),
            rows=[_cost(point) for point in ranked],
        ),
    ]


def _per_s(point: Point) -> float:
    return float(statistics.median(point["saturated_per_s"]))


def _is_chosen(point: Point, figures: Mapping[str, Any]) -> bool:
    return figures["chosen"] is not None and all(point[field] == figures["chosen"][field] for field in FIELDS)


def _settings(point: Point) -> list[Cell]:
    delay = point["batch_delay_us"]
    return [
        point["form"],
        f"{point['encoders']} × {point['threads'] or 'share'}",
        point["preparation"],
        "not merged" if delay is None else f"{delay / 1000:g}",
    ]


def _name(point: Point) -> str:
    form, threads, preparation, delay = _settings(point)
    return f"{form}, encoder {threads} threads, {preparation} in preparation, delay {delay}"


def _speed(point: Point, figures: Mapping[str, Any]) -> list[Cell]:
    p50, p99 = point["low"]
    return [
        *_settings(point),
        point["rounds"],
        round(_per_s(point), 2),
        interval(p50),
        f"{interval(p99)}, n {p99['n']}",
        "chosen" if _is_chosen(point, figures) else point["why_not"] or "",
    ]


def _cost(point: Point) -> list[Cell]:
    return [
        *_settings(point),
        *(point[key] for key in ("memory_mib", "cpu_s_per_study", "startup_s")),
        round(point["saturated"][1]["ms"]),
        f"{point['largest_score_difference']:.0e}",
        point["decision_flips"],
    ]


def _plot(points: Sequence[Point], chosen: Point | None, bound_ms: float) -> Figure:
    figure, axes = axes_of(8.5, 5)
    rounds = max(point["rounds"] for point in points)
    forms = list(dict.fromkeys(point["form"] for point in points))
    for number, form in enumerate(forms):
        colour = COLOURS[number % len(COLOURS)]
        for point in (point for point in points if point["form"] == form):
            per_s, (p50, p99) = _per_s(point), (one["ms"] for one in point["low"])
            confirmed = point["rounds"] == rounds > 1
            axes.plot([per_s] * 2, [p50, p99], color=colour, lw=1, alpha=0.45)
            axes.plot(per_s, p99, "_", color=colour, ms=9)
            axes.plot(per_s, p50, "o", color=colour, ms=7 if confirmed else 5, mfc=colour if confirmed else "w")
        axes.plot([], [], "o", color=colour, label=form)
    front = sorted((_per_s(point), point["low"][0]["ms"]) for point in points if point["on_pareto_front"])
    axes.plot(*zip(*front, strict=True), "--", color=GREY, lw=1, zorder=0, label="Pareto front (p50)")
    axes.axhline(bound_ms, color=RED, lw=0.8, ls=":", label=f"bound of p99, {bound_ms:.0f} ms")
    base = _per_s(points[0]), points[0]["low"][0]["ms"]
    axes.annotate("committed", base, (-8, -4), textcoords="offset points", ha="right")
    if chosen:
        axes.plot(_per_s(chosen), chosen["low"][0]["ms"], "o", ms=15, mfc="none", mec=GREEN, mew=1.6, label="chosen")
    axes.set_xlabel("studies a second at saturation")
    axes.set_ylabel("latency at low load, ms (dot p50, bar p99)")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=8)
    return figure
