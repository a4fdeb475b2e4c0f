# SPDX-License-Identifier: Apache-2.0
"""The page of ``vcf bench preprocess``: time of each way, and how true its resampling is."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from vcf_benchmarks.harness.page import RED, Document, Section, axes_of, svg

COLOURS = {"scipy": "#c55a11", "simpleitk": "#4d8b31", "monai": "#7a2f8f", "ours": "#1f4e79"}


def sections(document: Document) -> list[Section]:
    """Return the sections of the page: times, errors, and what is not here."""
    figures = document["figures"]
    ways = figures["ways"]
    goal_ms = next((target["goal"] for target in document["targets"]), None)
    volume = " × ".join(map(str, figures["volume"]))
    found = [
        Section(
            "From volume and centre line to patches, one core",
            f"A volume of {volume} voxels, {figures['patches']} patches; the ways take turns. Every library only "
            "resamples: sagittal reconstruction, tiling, resizing and windowing are done by our own code after each, "
            "and are in its time.",
            svg(_times(ways, goal_ms)),
            header=("way", "min, ms", "median, ms", "max, ms", "times ours", "what it does"),
            rows=[
                [
                    name,
                    way["min_ms"],
                    way["median_ms"],
                    way["max_ms"],
                    "{median:.1f} ({min:.1f} to {max:.1f})".format(**way["over_ours"]),
                    way["does"],
                ]
                for name, way in ways.items()
            ],
        ),
        Section(
            "How true the resampling is",
            "Error between the slices on a wave along z whose value everywhere is known, over the wave itself, away "
            "from the ends. Frequencies in periods a slice; 0.5 is the finest that slices can hold. Fourier "
            "interpolation keeps fine detail that linear interpolation blurs.",
            svg(_errors(figures["error"])),
            header=("way", *next(iter(figures["error"].values()))),
            rows=[[name, *(f"{value:.2%}" for value in line.values())] for name, line in figures["error"].items()],
        ),
    ]
    if figures["skipped"]:
        found.append(Section("Not here", header=("way", "why"), rows=list(figures["skipped"].items())))
    return found


def _colour(name: str) -> str:
    return COLOURS.get(name.split(",")[0].lower(), "#555555")


def _times(ways: Mapping[str, Any], goal_ms: float | None) -> Figure:
    figure, axes = axes_of(8, 0.5 + 0.42 * len(ways))
    names = list(ways)
    for number, name in enumerate(names):
        way = ways[name]
        axes.barh(number, way["median_ms"], color=_colour(name), height=0.62)
        axes.plot([way["min_ms"], way["max_ms"]], [number, number], color="#222222", lw=1)
        axes.text(
            max(way["max_ms"], way["median_ms"]) * 1.08, number, f"{way['median_ms']:,.0f}", va="center", fontsize=9
        )
    if goal_ms:
        axes.axvline(goal_ms, color=RED, lw=0.9, ls=":")
        axes.text(goal_ms, -0.75, f"goal {goal_ms:g}", color=RED, fontsize=8, ha="center")
    axes.set_yticks(range(len(names)), names)
    axes.set(xscale="log", xlabel="ms, bar: median, line: fastest to slowest")
    axes.set_xlim(10, max(way["max_ms"] for way in ways.values()) * 2)
    axes.invert_yaxis()
    return figure


def _errors(errors: Mapping[str, Mapping[str, float]]) -> Figure:
    figure, axes = axes_of(8, 3.8)
    styles = ("-", "--", ":")
    drawn: dict[str, int] = {}
    for name, line in errors.items():
        style = styles[drawn.get(_colour(name), 0) % len(styles)]
        drawn[_colour(name)] = drawn.get(_colour(name), 0) + 1
        values = [max(value, 1e-5) for value in line.values()]
        axes.plot(
            [float(frequency) for frequency in line], values, style, marker="o", ms=4, color=_colour(name), label=name
        )
    axes.set(yscale="log", xlabel="periods a slice", ylabel="error over wave (RMS)")
    axes.legend(frameon=False, fontsize=8, ncols=2)
    return figure
