# SPDX-License-Identifier: Apache-2.0
"""The page of ``vcf bench locust``."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from vcf_benchmarks.harness.distribution import QUANTILES
from vcf_benchmarks.harness.page import BLUE, GREY, ORANGE, Document, Section, axes_of, interval, plain, svg
from vcf_benchmarks.harness.profiles import PROFILES, Profile

MOST_BINS, LEAST_BINS, STUDIES_A_BIN = 40, 6, 5
"""Bins of the profile's time, in the picture."""
Call = Mapping[str, Any]


def sections(document: Document) -> list[Section]:
    """Return the sections of the page. Results of schema 1 have no calls: of them the profile alone is drawn."""
    figures, settings = document["figures"], document["settings"]
    profile, minutes, capacity = PROFILES[settings["profile"]], settings["minutes"], settings["capacity_per_s"]
    calls = figures.get("calls")
    failures = figures.get("failures_by_size", {"all": figures["failures"]})
    drawn = _calls(profile, calls, minutes, capacity) if calls else _profile(profile, capacity)
    return [
        Section(
            settings["profile"],
            f"{profile.meaning}. {profile.hours:g} hours in {minutes:g} minutes, {settings['compression']:.3g} times "
            f"faster; 1 is {capacity:.3g} studies/s. The load changes all the time, so no window is stable.",
            svg(drawn),
        ),
        Section(
            "Latency",
            f"From the scheduled time to the findings, ms, with intervals of 95 %. {figures['studies']} studies came, "
            f"{figures['studies_expected']:.0f} were to be expected.",
            header=("studies", "n", *(f"p{quantile * 100:g}" for quantile in QUANTILES), "failed or wrong"),
            rows=[
                [name, percentiles[0]["n"], *map(interval, percentiles), failures.get(name)]
                for name, percentiles in figures["corrected"].items()
            ],
        ),
    ]


def _curve(profile: Profile, capacity: float) -> tuple[Any, Any]:
    hours = np.linspace(0, profile.hours, 400)
    return hours, np.array([profile.share(float(hour)) for hour in hours]) * capacity


def _profile(profile: Profile, capacity: float) -> Figure:
    figure, axes = axes_of(8.2, 2.6)
    axes.plot(*_curve(profile, capacity), color=GREY, lw=1, ls="--")
    axes.set(xlabel="hour of the profile", ylabel="studies/s")
    return figure


def _calls(profile: Profile, calls: Sequence[Call], minutes: float, capacity: float) -> Figure:
    hours_per_s = profile.hours / (minutes * 60)
    figure = Figure(figsize=(8.2, 5.6))
    rate, latency = figure.subplots(2, 1, sharex=True)
    plain(rate)
    plain(latency)
    bins = max(LEAST_BINS, min(MOST_BINS, len(calls) // STUDIES_A_BIN))
    edges = np.linspace(0, minutes * 60, bins + 1)
    middle, width = (edges[1:] + edges[:-1]) / 2 * hours_per_s, edges[1]
    for name, label, colour in (("due_s", "arrived", BLUE), ("done_s", "answered", ORANGE)):
        counts = np.histogram([call[name] for call in calls], edges)[0]
        rate.step(middle, counts / width, where="mid", color=colour, label=label)
    rate.plot(*_curve(profile, capacity), color=GREY, lw=1, ls="--", label="profile")
    rate.set(ylabel="studies/s")
    rate.secondary_yaxis("right", functions=(lambda r: r / capacity, lambda s: s * capacity)).set_ylabel(
        "share of the highest rate"
    )
    rate.legend(fontsize="small")
    failed = [call for call in calls if call["failure"]]
    groups = {size: [call for call in calls if call["size"] == size] for size in {call["size"] for call in calls}}
    for size in sorted(groups, key=lambda name: int(name.split()[0])):
        latency.plot(*_points(groups[size], hours_per_s), ".", label=size)
    if failed:
        latency.plot(*_points(failed, hours_per_s), "rx", label="failed or wrong")
    latency.set(xlabel="hour of the profile", ylabel="latency, ms", yscale="log")
    latency.legend(fontsize="small")
    return figure


def _points(calls: Sequence[Call], hours_per_s: float) -> tuple[list[float], list[float]]:
    return [call["due_s"] * hours_per_s for call in calls], [(call["done_s"] - call["due_s"]) * 1e3 for call in calls]
