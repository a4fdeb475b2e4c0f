# SPDX-License-Identifier: Apache-2.0
"""The page of ``vcf bench overhead``."""

import statistics
from collections.abc import Mapping, Sequence

from vcf_benchmarks.harness.distribution import values_ms
from vcf_benchmarks.harness.page import BLUE, GREEN, RED, Document, Section, axes_of, svg
from vcf_benchmarks.overhead.goals import IN_PROCESS, LATENCY_GOALS, THROUGHPUT_GOAL


def sections(document: Document) -> list[Section]:
    """Return the sections of the page."""
    latency, throughput, core_ms = (document["figures"][name] for name in ("latency", "throughput", "core_ms"))
    times_ms = {way: values_ms(document["histograms"][f"latency {way}"]) for way in latency}
    return [
        Section(
            "One study at a time",
            f"{document['settings']['slices']} slices in memory, in turn; the line is the goal, the bar the median. "
            "The interval of the ratio is that of a bootstrap over the rounds.",
            _boxes(times_ms),
            ("", "p50 ms", "p90 ms", "over in one process", "95 % interval"),
            [
                (
                    way,
                    one["p50"]["ms"],
                    one["p90"]["ms"],
                    one["over_in_process"],
                    "–".join(f"{end:.3f}" for end in one["over_in_process_interval"]),
                )
                for way, one in latency.items()
            ],
        ),
        Section(
            "At saturation",
            "A closed loop: every caller sends its next study when the last one is answered.",
            _bars({way: (one["per_s"], one["rounds_per_s"]) for way, one in throughput.items()}),
            ("", "callers", "studies/s", "of in one process"),
            [(way, one["at_once"], one["per_s"], one["share_of_in_process"]) for way, one in throughput.items()],
        ),
        Section(
            "Where the difference goes",
            "Processor time of a study at saturation, ms, by process. In one process it is one figure; what a server's "
            "client and its steps take beyond it is the cost of serving: messages, and voxels that change processes.",
            header=("process", *core_ms),
            rows=[
                *(
                    (part, *(f"{parts.get(part, 0.0):.1f}" for parts in core_ms.values()))
                    for part in sorted({p for parts in core_ms.values() for p in parts if parts[p] >= 0.1})
                ),
                ("sum", *(f"{sum(parts.values()):.1f}" for parts in core_ms.values())),
            ],
        ),
    ]


def _boxes(times_ms: Mapping[str, list[float]]) -> str:
    figure, axes = axes_of(7, 2.2)
    axes.boxplot(list(times_ms.values()), orientation="horizontal", widths=0.6, showfliers=True)
    axes.set_yticks(range(1, len(times_ms) + 1), list(times_ms))
    middle = statistics.median(times_ms[IN_PROCESS])
    for row, way in enumerate(times_ms, 1):
        if way in LATENCY_GOALS:
            axes.plot([middle * LATENCY_GOALS[way]] * 2, [row - 0.4, row + 0.4], color=RED)
    axes.set_xlim(left=0)
    axes.set_xlabel("ms")
    axes.invert_yaxis()
    return svg(figure)


def _bars(rates: Mapping[str, tuple[float, Sequence[float]]]) -> str:
    figure, axes = axes_of(7, 2.0)
    for row, (way, (per_s, rounds)) in enumerate(rates.items()):
        axes.barh(row, per_s, color=BLUE if way == IN_PROCESS else GREEN, height=0.6)
        axes.plot(rounds, [row] * len(rounds), "k|")
    axes.axvline(rates[IN_PROCESS][0] * THROUGHPUT_GOAL, color=RED)
    axes.set_yticks(range(len(rates)), list(rates))
    axes.set_xlabel("studies/s; each mark is a loop, the line the goal")
    axes.invert_yaxis()
    return svg(figure)
