# SPDX-License-Identifier: Apache-2.0
"""The page of ``vcf bench latency``: latency against rate."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vcf_benchmarks.harness.distribution import values_ms
from vcf_benchmarks.harness.page import BLUE, GREEN, GREY, ORANGE, RED, Document, Section, axes_of, interval, svg
from vcf_benchmarks.latency.goals import KEPT_UP

COLOURS = (BLUE, ORANGE, RED)
"""Colours of p50, p90 and p99."""
Rate = Mapping[str, Any]


def sections(document: Document) -> list[Section]:
    """Return the sections of the page."""
    figures = document["figures"]
    rates = figures["rates"]
    return [_curve(figures, rates), _table(rates), _spectrum(document, rates), _generator(rates)]


def _curve(figures: Mapping[str, Any], rates: Sequence[Rate]) -> Section:
    figure, axes = axes_of(8.2, 4.2)
    per_s = [rate["rate_per_s"] for rate in rates]
    for number, colour in enumerate(COLOURS):
        line = [rate["corrected"][number] for rate in rates]
        axes.plot(per_s, [one["ms"] for one in line], "o-", color=colour, label=f"p{line[0]['quantile'] * 100:g}")
        ends = [[one["ms"] if one[end] is None else one[end] for one in line] for end in ("low_ms", "high_ms")]
        axes.vlines(per_s, *ends, color=colour, alpha=0.35, lw=4)
        axes.plot(per_s, [rate["uncorrected"][number]["ms"] for rate in rates], ":", color=colour)
    axes.plot([], [], ":", color=GREY, label="uncorrected")
    axes.axvline(figures["highest_per_s"], color=GREY, lw=1, ls="--", label="closed loop, highest")
    knee = figures["knee_per_s"]
    if knee:
        axes.axvline(knee, color=GREEN, lw=1, label="knee")
    axes.set(xlabel="studies a second, Poisson arrivals", ylabel="latency, ms", yscale="log", xlim=(0, None))
    axes.grid(True, which="both", alpha=0.25)
    axes.legend(ncols=2, fontsize="small")
    return Section(
        "Latency against rate",
        "From the scheduled time of each study to its findings. Bars: intervals of 95 %, open above where there are "
        f"too few studies. Closed loop: {figures['highest_per_s']:.3g} studies/s at most. Knee, where rate over mean "
        f"latency is largest: {f'{knee:.3g} studies/s' if knee else 'not among these rates'}.",
        svg(figure),
    )


def _table(rates: Sequence[Rate]) -> Section:
    return Section(
        "Percentiles",
        "Milliseconds, with intervals of 95 %: order statistics, for as many independent studies as these n are worth "
        "after their autocorrelation. Uncorrected: from the time of sending. A server keeps up that answers at least "
        f"{KEPT_UP:.0%} of what arrives in the windows.",
        header=("studies/s", "n", "windows", "p50", "p90", "p99", "p50 u.", "p90 u.", "p99 u.", "medians", "answered"),
        rows=[
            [
                rate["rate_per_s"],
                rate["n"],
                f"3 × {rate['window_s']:.0f} s",
                *map(interval, rate["corrected"]),
                *(f"{one['ms']:.0f}" for one in rate["uncorrected"]),
                ", ".join(f"{median:.0f}" for median in rate["window_medians_ms"]),
                f"{rate['answered_per_arrival']:.0%}",
            ]
            for rate in rates
        ],
    )


def _spectrum(document: Document, rates: Sequence[Rate]) -> Section:
    figure, axes = axes_of(8.2, 3.8)
    for number, rate in enumerate(rates):
        ranked = values_ms(document["histograms"][f"{rate['rate_per_s']:.3g} studies/s, corrected"])
        share_above = 1 - (np.arange(len(ranked)) + 0.5) / len(ranked)
        shade = 0.25 + 0.7 * number / max(1, len(rates) - 1)
        axes.plot(1 / share_above, ranked, color=(0.04, 0.25, 0.45, shade), label=f"{rate['rate_per_s']:.3g}/s")
    axes.set(xscale="log", yscale="log", xlabel="percentile", ylabel="latency, ms")
    axes.set_xticks([1, 2, 10, 100, 1000], ["0", "50", "90", "99", "99.9"])
    axes.set_xlim(1, 2 * max(rate["n"] for rate in rates))
    axes.minorticks_off()
    axes.legend(ncols=2, fontsize="small", title="studies/s")
    return Section("Distribution", "All corrected latencies of each rate; the JSON has them too.", svg(figure))


def _generator(rates: Sequence[Rate]) -> Section:
    return Section(
        "The generator",
        "How late it sent, and the processor it took: its sending thread, all its threads (preparing studies is the "
        "client's part of the work), and the server's processes.",
        header=("studies/s", "lag p99, ms", "sending thread", "client cores", "server cores", "rules broken"),
        rows=[
            [
                rate["rate_per_s"],
                rate["lag_p99_ms"],
                f"{rate['generator_thread_share']:.1%}",
                rate["generator_cores"],
                rate["server_cores"],
                "; ".join(rate["broken_rules"]) or "none",
            ]
            for rate in rates
        ],
    )
