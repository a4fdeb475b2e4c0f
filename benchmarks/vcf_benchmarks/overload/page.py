# SPDX-License-Identifier: Apache-2.0
"""The page of ``vcf bench overload``."""

from collections.abc import Mapping, Sequence

from vcf_benchmarks.harness.distribution import values_ms
from vcf_benchmarks.harness.page import BLUE, GREEN, GREY, ORANGE, Document, Section, axes_of, svg

COLOURS = {
    "usual": GREY,
    "saturation": BLUE,
    "overload": ORANGE,
    "urgent alone": GREY,
    "urgent under overload": GREEN,
}


def sections(document: Document) -> list[Section]:
    """Return the sections of the page."""
    figures, settings = document["figures"], document["settings"]
    times_ms = {name: values_ms(text) for name, text in document["histograms"].items()}
    refused = figures["offered"] - figures["accepted"]
    memory = figures["memory_bytes"]
    return [
        Section(
            "What became of the studies",
            f"{settings['times']:g} times the {figures['highest_per_s']:.3g} studies/s that the server can do, for "
            f"{settings['seconds']:g} s: of {figures['offered']} studies {figures['accepted']} were answered and "
            f"{refused} refused. The server takes {figures['most_studies']} at a time. Beside them another process "
            "sent urgent studies one at a time and asked for room between them: what a caller sees who is not busy.",
            _distributions({name: times for name, times in times_ms.items() if name in COLOURS}),
            ("", "studies", "p50 ms", "p90 ms", "p99 ms"),
            [
                (name, entries[0]["n"], *(f"{entry['ms']:.4g}" for entry in entries))
                for name, entries in figures["percentiles"].items()
            ],
        ),
        Section(
            "After it",
            f"The next study took {figures['next_ms']:.0f} ms. Memory of the server, private and shared, MB. The lid "
            "is what it had before, and for each study that it takes as much as `vcf bench sizes` finds for one.",
            header=("before", "peak", "after", "lid"),
            rows=[tuple(f"{memory[name] / 1e6:.0f}" for name in ("before", "peak", "after", "lid"))],
        ),
    ]


def _distributions(times_ms: Mapping[str, Sequence[float]]) -> str:
    figure, axes = axes_of(7, 2.8)
    for name, times in times_ms.items():
        shares = [(rank + 1) / len(times) for rank in range(len(times))]
        axes.step(
            times, shares, where="post", color=COLOURS[name], label=name, ls="--" if name == "urgent alone" else "-"
        )
    axes.set_xscale("log")
    axes.set_xlabel("ms from the call to the answer")
    axes.set_ylabel("share of studies")
    axes.legend(fontsize=7)
    return svg(figure)
