# SPDX-License-Identifier: Apache-2.0
"""A hospital's hours: studies asked for, answered, and how long each took."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks import validity
from benchmarks.distribution import QUANTILES, encoded, percentile
from benchmarks.page import Section, svg
from benchmarks.profiles import Profile
from benchmarks.result import Result

MOST_BINS, LEAST_BINS, STUDIES_A_BIN = 40, 6, 5
"""Of the profile's time, in the picture."""


def fill(result: Result, profile: Profile, calls: list[dict[str, Any]], minutes: float, capacity_per_s: float) -> None:
    """Figures, histograms, rules of the generator and sections."""
    sizes = sorted({call["size"] for call in calls}, key=lambda name: int(name.split()[0]))
    groups = {"all": calls} | {size: [call for call in calls if call["size"] == size] for size in sizes}
    latencies = {name: [_ms(call, "due_s") for call in group] for name, group in groups.items()}
    sent = {name: [_ms(call, "sent_s") for call in group] for name, group in groups.items()}
    lag_ms = [(call["sent_s"] - call["due_s"]) * 1e3 for call in calls]
    expected = profile.mean_share() * capacity_per_s * minutes * 60
    result.figures = {
        "studies": len(calls),
        "studies_expected": round(expected, 1),
        "failures": sum(call["failure"] is not None for call in calls),
        "lag_p99_ms": round(float(np.percentile(lag_ms, 99)), 3),
        "corrected": {name: [percentile(ms, q).entry() for q in QUANTILES] for name, ms in latencies.items()},
        "uncorrected": {name: [percentile(ms, q).entry() for q in QUANTILES] for name, ms in sent.items()},
    }
    result.histograms = {f"{name}, corrected": encoded(ms) for name, ms in latencies.items()}
    result.histograms["lag"] = encoded(lag_ms)
    lagging = validity.lagging(lag_ms, float(np.median(sent["all"])))
    result.broken = [lagging] if lagging else []
    factor = profile.hours * 60 / minutes
    result.sections = [
        Section(
            result.settings.get("profile", "Profile"),
            f"{profile.meaning}. {profile.hours:g} hours in {minutes:g} minutes, {factor:.3g} times faster; 1 on the "
            f"right axis is {capacity_per_s:.3g} studies/s. The load changes all the time, so no window is stable.",
            svg(_figure(profile, calls, sizes, minutes, capacity_per_s)),
        ),
        Section(
            "Latency",
            f"From the scheduled time to the findings, ms, with intervals of 95 %. {len(calls)} studies came, "
            f"{expected:.0f} were to be expected.",
            header=("studies", "n", "p50", "p90", "p99", "failed or wrong"),
            rows=[
                [
                    name,
                    len(group),
                    *(str(percentile(latencies[name], q)) for q in QUANTILES),
                    sum(call["failure"] is not None for call in group),
                ]
                for name, group in groups.items()
            ],
        ),
    ]


def _ms(call: dict[str, Any], since: str) -> float:
    return float(call["done_s"] - call[since]) * 1e3


def _figure(
    profile: Profile, calls: list[dict[str, Any]], sizes: list[str], minutes: float, capacity_per_s: float
) -> Figure:
    hours_per_s = profile.hours / (minutes * 60)
    figure = Figure(figsize=(8.2, 5.6))
    rate, latency = figure.subplots(2, 1, sharex=True)
    bins = max(LEAST_BINS, min(MOST_BINS, len(calls) // STUDIES_A_BIN))
    edges = np.linspace(0, minutes * 60, bins + 1)
    middle, width = (edges[1:] + edges[:-1]) / 2 * hours_per_s, edges[1]
    for name, colour in (("due_s", "#0b6e99"), ("done_s", "#c26a00")):
        counts = np.histogram([call[name] for call in calls], edges)[0]
        label = {"due_s": "arrived", "done_s": "answered"}[name]
        rate.step(middle, counts / width, where="mid", color=colour, label=label)
    hours = np.linspace(0, profile.hours, 400)
    shares = np.array([profile.share(float(hour)) for hour in hours])
    rate.plot(hours, shares * capacity_per_s, color="#555", lw=1, ls="--", label="profile")
    rate.set(ylabel="studies/s")
    rate.secondary_yaxis("right", functions=(lambda r: r / capacity_per_s, lambda s: s * capacity_per_s)).set_ylabel(
        "share of the highest rate"
    )
    rate.legend(fontsize="small")
    for size in sizes:
        chosen = [call for call in calls if call["size"] == size]
        at = [call["due_s"] * hours_per_s for call in chosen]
        latency.plot(at, [_ms(call, "due_s") for call in chosen], ".", label=size)
    failed = [call for call in calls if call["failure"]]
    if failed:
        at = [call["due_s"] * hours_per_s for call in failed]
        latency.plot(at, [_ms(call, "due_s") for call in failed], "rx", label="failed or wrong")
    latency.set(xlabel="hour of the profile", ylabel="latency, ms", yscale="log")
    latency.legend(fontsize="small")
    for axes in (rate, latency):
        axes.grid(True, alpha=0.25)
    return figure
