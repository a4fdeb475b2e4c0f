# SPDX-License-Identifier: Apache-2.0
"""Latency against rate, as figures and as a picture."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.distribution import Percentile, encoded
from benchmarks.latency_measure import KEPT_UP, AtRate, Measured, Plan
from benchmarks.page import Cell, Section, svg
from benchmarks.result import Result

COLOURS = ("#0b6e99", "#c26a00", "#a11616")
"""Of p50, p90 and p99."""


def fill(result: Result, measured: Measured, plan: Plan) -> None:
    """Figures, histograms, broken rules and sections."""
    knee = measured.knee
    result.figures = {
        "closed_loop_per_s": {str(callers): round(rate, 3) for callers, rate in measured.closed_per_s.items()},
        "highest_per_s": round(measured.highest_per_s, 3),
        "knee_per_s": round(knee.rate_per_s, 3) if knee else None,
        "rates": [_entry(rate, plan) for rate in measured.rates],
    }
    for rate in measured.rates:
        name = f"{rate.rate_per_s:.3g} studies/s"
        result.histograms[f"{name}, corrected"] = encoded(rate.corrected_ms)
        result.histograms[f"{name}, uncorrected"] = encoded(rate.uncorrected_ms)
        result.histograms[f"{name}, lag"] = encoded(call.lag_ms for call in rate.calls)
    result.broken = measured.broken
    result.sections = [_curve(measured), _table(measured, plan), _spectrum(measured), _generator(measured)]


def _entry(rate: AtRate, plan: Plan) -> dict[str, Any]:
    edges_s = plan.edges_s(rate.rate_per_s)
    return {
        "rate_per_s": round(rate.rate_per_s, 4),
        "n": len(rate.calls),
        "window_s": round(edges_s[1] - edges_s[0], 2),
        "corrected": [one.entry() for one in rate.percentiles(rate.corrected_ms)],
        "uncorrected": [one.entry() for one in rate.percentiles(rate.uncorrected_ms)],
        "window_medians_ms": [round(median, 2) for median in rate.medians_ms],
        "lag_p99_ms": round(_lag_p99(rate), 3),
        "answered_per_arrival": round(rate.answered_per_arrival, 4),
        "kept_up": rate.kept_up,
        "failures": sum(call.failure is not None for call in rate.calls),
        "generator_thread_share": round(rate.loop_share, 4),
        "generator_cores": round(rate.generator_cores, 4),
        "server_cores": None if rate.server_cores is None else round(rate.server_cores, 4),
        "broken_rules": rate.broken,
    }


def _lag_p99(rate: AtRate) -> float:
    return float(np.percentile([call.lag_ms for call in rate.calls], 99))


def _curve(measured: Measured) -> Section:
    figure = Figure(figsize=(8.2, 4.2))
    axes = figure.add_subplot()
    rates = [rate.rate_per_s for rate in measured.rates]
    of_rates = [rate.percentiles(rate.corrected_ms) for rate in measured.rates]
    plain = [rate.percentiles(rate.uncorrected_ms) for rate in measured.rates]
    for number, colour in enumerate(COLOURS):
        line = [found[number] for found in of_rates]
        axes.plot(rates, [one.ms for one in line], "o-", color=colour, label=f"p{line[0].quantile * 100:g}")
        axes.vlines(rates, [_low(one) for one in line], [_high(one) for one in line], color=colour, alpha=0.35, lw=4)
        axes.plot(rates, [found[number].ms for found in plain], ":", color=colour)
    axes.plot([], [], ":", color="#555", label="uncorrected")
    axes.axvline(measured.highest_per_s, color="#555", lw=1, ls="--", label="closed loop, highest")
    if measured.knee:
        axes.axvline(measured.knee.rate_per_s, color="#0a6b2d", lw=1, label="knee")
    axes.set(xlabel="studies a second, Poisson arrivals", ylabel="latency, ms", yscale="log", xlim=(0, None))
    axes.grid(True, which="both", alpha=0.25)
    axes.legend(ncols=2, fontsize="small")
    knee = f"{measured.knee.rate_per_s:.3g} studies/s" if measured.knee else "not among these rates"
    return Section(
        "Latency against rate",
        "From the scheduled time of each study to its findings. Bars: intervals of 95 %, open above where there are "
        f"too few studies. Closed loop: {measured.highest_per_s:.3g} studies/s at most. Knee, where rate over mean "
        f"latency is largest: {knee}.",
        svg(figure),
    )


def _low(one: Percentile) -> float:
    return one.ms if one.low_ms is None else one.low_ms


def _high(one: Percentile) -> float:
    return one.ms if one.high_ms is None else one.high_ms


def _table(measured: Measured, plan: Plan) -> Section:
    rows: list[list[Cell]] = []
    for rate in measured.rates:
        edges_s = plan.edges_s(rate.rate_per_s)
        rows.append(
            [
                rate.rate_per_s,
                len(rate.calls),
                f"3 × {edges_s[1] - edges_s[0]:.0f} s",
                *map(str, rate.percentiles(rate.corrected_ms)),
                *(f"{one.ms:.0f}" for one in rate.percentiles(rate.uncorrected_ms)),
                ", ".join(f"{median:.0f}" for median in rate.medians_ms),
                f"{rate.answered_per_arrival:.0%}",
            ]
        )
    return Section(
        "Percentiles",
        "Milliseconds, with intervals of 95 %: order statistics, for as many independent studies as these n are worth "
        "after their autocorrelation. Uncorrected: from the time of sending. A server keeps up that answers at least "
        f"{KEPT_UP:.0%} of what arrives in the windows.",
        header=("studies/s", "n", "windows", "p50", "p90", "p99", "p50 u.", "p90 u.", "p99 u.", "medians", "answered"),
        rows=rows,
    )


def _spectrum(measured: Measured) -> Section:
    figure = Figure(figsize=(8.2, 3.8))
    axes = figure.add_subplot()
    for number, rate in enumerate(measured.rates):
        ranked = np.sort(rate.corrected_ms)
        share_above = 1 - (np.arange(len(ranked)) + 0.5) / len(ranked)
        shade = 0.25 + 0.7 * number / max(1, len(measured.rates) - 1)
        axes.plot(1 / share_above, ranked, color=(0.04, 0.25, 0.45, shade), label=f"{rate.rate_per_s:.3g}/s")
    axes.set(xscale="log", yscale="log", xlabel="percentile", ylabel="latency, ms")
    axes.set_xticks([1, 2, 10, 100, 1000], ["0", "50", "90", "99", "99.9"])
    axes.set_xlim(1, 2 * max(len(rate.calls) for rate in measured.rates))
    axes.minorticks_off()
    axes.grid(True, alpha=0.25)
    axes.legend(ncols=2, fontsize="small", title="studies/s")
    return Section("Distribution", "All corrected latencies of each rate; the JSON has them too.", svg(figure))


def _generator(measured: Measured) -> Section:
    return Section(
        "The generator",
        "How late it sent, and the processor it took: its sending thread, all its threads (preparing studies is the "
        "client's part of the work), and the server's processes.",
        header=("studies/s", "lag p99, ms", "sending thread", "client cores", "server cores", "rules broken"),
        rows=[
            [
                rate.rate_per_s,
                _lag_p99(rate),
                f"{rate.loop_share:.1%}",
                rate.generator_cores,
                rate.server_cores,
                "; ".join(rate.broken) or "none",
            ]
            for rate in measured.rates
        ],
    )
