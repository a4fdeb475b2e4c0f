# SPDX-License-Identifier: Apache-2.0
"""The page of ``vcf bench sizes``."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from vcf_benchmarks.harness.page import Document, Section, plain, svg

CLIENT = "client"
LEAST_MB = 1.0
"""A process that grows by less is left out of the table."""
Measure = Callable[[Mapping[str, Any]], float]
MEASURES: tuple[tuple[str, Measure], ...] = (
    ("p50, ms", lambda one: one["p50"]["ms"]),
    ("core-seconds", lambda one: one["core_s"]),
    ("server MB a study", lambda one: one["server_growth_mb"]),
)


def sections(document: Document) -> list[Section]:
    """Return the sections of the page, one a transport."""
    at_once = document["settings"].get("at_once", 1)
    return [_section(name, of, at_once) for name, of in document["figures"]["transports"].items()]


def _section(transport: str, figures: Mapping[str, Any], at_once: int) -> Section:
    found = ", ".join(
        f"{name.replace('_', ' ')} {by['slices']:.2f} by slices and {by['patches']:.2f} by patches"
        for name, by in figures["exponents"].items()
    )
    processes = sorted(
        {name for one in figures["sizes"] for name, mb in one["peak_growth_mb"].items() if mb > LEAST_MB},
        key=lambda name: (name != CLIENT, name),
    )
    return Section(
        f"Transport {transport}",
        f"Exponents: {found}. Memory in MB is growth at the peak for each of {at_once} studies in flight: all of the "
        "server at one time, shared memory once; then each process at its own peak.",
        svg(_picture(figures["sizes"])),
        ("slices", "patches", "p50 ms", "core-s", "MB sent", "server", "times sent", *processes),
        [
            (
                one["slices"],
                one["patches"],
                one["p50"]["ms"],
                one["core_s"],
                one["sent_mb"],
                one["server_growth_mb"],
                one["times_sent"],
                *(one["peak_growth_mb"].get(name, 0.0) for name in processes),
            )
            for one in figures["sizes"]
        ],
    )


def _picture(sizes: Sequence[Mapping[str, Any]]) -> Figure:
    figure = Figure(figsize=(8, 2.6))
    all_axes: Any = figure.subplots(1, len(MEASURES))
    slices = [one["slices"] for one in sizes]
    for axes, (label, measure) in zip(all_axes, MEASURES, strict=True):
        values = [measure(one) for one in sizes]
        plain(axes)
        axes.loglog(slices, values, "o-")
        axes.loglog(slices, [values[0] * n / slices[0] for n in slices], ":", color="tab:gray")
        axes.set_xticks(slices, [str(n) for n in slices])
        axes.set_xticks([], minor=True)
        axes.set_xlabel("slices (dots: in proportion)")
        axes.set_title(label, fontsize=10)
    figure.tight_layout()
    return figure
