# SPDX-License-Identifier: Apache-2.0
"""The page of ``vcf bench capacity``."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from vcf_benchmarks.capacity.plan import MEDIAN, TAIL, Curve, Model, Need, need
from vcf_benchmarks.harness.page import BLUE, GREEN, GREY, RED, Document, Section, axes_of, svg

LOADS = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
"""Loads of the busiest hour: rows of the table."""


def sections(document: Document) -> list[Section]:
    """Return the sections of the page. Results of schema 1 hold no curve: what is read from it is left out."""
    figures = document["figures"]
    curve = Curve.of(figures["curve"]) if "curve" in figures else None
    found = [_one_server(document, curve)] if curve else []
    found.append(_servers(document, curve))
    if "by_hour" in figures:
        found.append(_day(document))
    return [*found, _kubernetes(document)]


def _one_server(document: Document, curve: Curve) -> Section:
    theory, per_s = document["figures"]["theory"], document["figures"]["per_server_per_s"]
    bound_ms = document["settings"]["p99_ms"]
    return Section(
        "One server",
        f"Measured latency against rate. Up to {per_s:.3g} studies a second p99 stays within {bound_ms:.0f} ms. The "
        f"thin line is theory: one queue with a mean service time of {theory['service_s'] * 1e3:.0f} ms, "
        f"{theory['fixed_s'] * 1e3:.0f} ms more that nobody waits for, and a squared coefficient of variation fitted "
        f"to the points, {theory['scv']:.2g}. It misses the points by {math.expm1(theory['misfit']):.0%} on average.",
        svg(_latency_plot(curve, Model(theory["service_s"], theory["fixed_s"], theory["scv"]), per_s, bound_ms)),
    )


def _servers(document: Document, curve: Curve | None) -> Section:
    figures, settings = document["figures"], document["settings"]
    needed = Need(figures["working"], figures["spare"])
    pooled, cost = figures["theory"]["servers_behind_one_queue"], settings["cost_per_hour"]
    text = f"{needed.working} servers meet the bound in the busiest hour, {needed.replicas} with {needed.spare} down."
    if pooled:
        text += (
            f" Behind one common queue, where no server idles while a study waits, theory has {pooled}; clients that "
            "share studies out in turn, as gRPC does, need as many as above."
        )
    return Section(
        "Servers against load",
        text,
        svg(_replica_plot(figures, needed)),
        ("studies/hour", "servers", "with spare", "each, studies/s")
        + (("p50, ms", "p99, ms", "p99, spare down") if curve else ())
        + (("cost/hour", "cost/1000 studies") if cost else ()),
        [
            _row(curve, figures["studies_per_hour"] * share, figures["per_server_per_s"], needed.spare, cost)
            for share in LOADS
        ],
    )


def _day(document: Document) -> Section:
    hours, by_hour = document["figures"]["server_hours_per_day"], document["figures"]["by_hour"]
    return Section(
        "A day",
        f"Servers by the hour, spare ones included: {hours['scaled']} server-hours a day if an autoscaler follows, "
        f"{hours['fixed']} if the number is fixed.",
        svg(_day_plot(by_hour["studies"], by_hour["servers"])),
    )


def _kubernetes(document: Document) -> Section:
    autoscaler = document["figures"]["autoscaler"]
    return Section(
        "Kubernetes",
        "For autoscaler.yaml of an overlay. CPU utilisation is of what pods ask for: it holds if requests.cpu is "
        "the number of cores of the machine measured. It is below what the bound allows, so that the pods that are "
        "left take the load of the spare ones when those are down, and for the tenth by which the autoscaler lets "
        "a metric pass its target. A pod is ready after a minute or so: the spare ones meet shorter bursts.",
        header=("field", "value"),
        rows=[
            ("minReplicas", autoscaler["minReplicas"]),
            ("maxReplicas", autoscaler["maxReplicas"]),
            ("cpu overlay: averageUtilization", autoscaler["averageUtilization"]),
            ("cpu overlay: requests.cpu", autoscaler["requests_cpu"]),
            ("gpu overlay: vcf_queue_seconds_per_study", autoscaler["queue_seconds_per_study"]),
        ],
    )


def _row(curve: Curve | None, studies: float, per_server_s: float, spare: int, cost: float | None) -> list[Any]:
    needed = need(studies, per_server_s, spare)
    all_s, left_s = studies / 3600 / needed.replicas, studies / 3600 / needed.working
    row: list[Any] = [round(studies), needed.working, needed.replicas, all_s]
    if curve:
        row += [round(curve.at(all_s, MEDIAN)), round(curve.at(all_s, TAIL)), round(curve.at(left_s, TAIL))]
    if cost:
        row += [needed.replicas * cost, needed.replicas * cost / studies * 1000]
    return row


def _latency_plot(curve: Curve, model: Model, per_server_s: float, bound_ms: float) -> Figure:
    figure, axes = axes_of(8, 3.8)
    axes.plot(curve.per_s, curve.p99_ms, "o-", color=BLUE, label="p99, measured")
    axes.plot(curve.per_s, curve.p50_ms, "o-", color=BLUE, alpha=0.4, label="p50, measured")
    rates = np.linspace(curve.per_s[0] / 4, curve.per_s[-1], 120)
    axes.plot(rates, [model.p99_ms(rate) for rate in rates], "--", color=GREY, lw=1, label="p99, theory")
    axes.axhline(bound_ms, color=RED, lw=0.9, ls=":")
    axes.axvline(per_server_s, color=GREEN, lw=0.9)
    axes.plot(per_server_s, curve.at(per_server_s, TAIL), "o", ms=11, mfc="none", mec=GREEN)
    axes.text(curve.per_s[0] / 4, bound_ms, " bound", color=RED, va="bottom", fontsize=9)
    axes.set(xlabel="studies a second, one server", ylabel="latency, ms", xlim=(0, None))
    axes.set_ylim(0, max(bound_ms * 1.3, min(max(curve.p99_ms) * 1.1, bound_ms * 3)))
    axes.legend(frameon=False)
    return figure


def _replica_plot(figures: Document, needed: Need) -> Figure:
    figure, axes = axes_of(8, 3.8)
    busiest = figures["studies_per_hour"]
    loads = np.linspace(0, 2 * busiest, 801)[1:]
    needs = [need(load, figures["per_server_per_s"], needed.spare) for load in loads]
    axes.step(loads, [each.replicas for each in needs], color=BLUE, where="pre", label=f"with {needed.spare} spare")
    axes.step(loads, [each.working for each in needs], color=BLUE, alpha=0.4, where="pre", label="all well")
    axes.plot(busiest, needed.replicas, "o", ms=9, mfc="none", mec=GREEN, mew=1.6, label="busiest hour")
    axes.set(xlabel="studies an hour", ylabel="servers", xlim=(0, None), ylim=(0, None))
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.legend(frameon=False)
    return figure


def _day_plot(studies: Sequence[float], servers: Sequence[int]) -> Figure:
    figure, axes = axes_of(8, 3.8)
    hours = np.arange(24)
    axes.bar(hours + 0.5, studies, color=BLUE, alpha=0.3, width=0.92)
    axes.set(xlabel="hour of the day", ylabel="studies an hour", xlim=(0, 24), xticks=range(0, 25, 3))
    right = axes.twinx()
    right.step([*hours, 24], [*servers, servers[-1]], where="post", color=GREEN)
    right.set_ylabel("servers", color=GREEN)
    right.set_ylim(0, max(servers) * 1.15)
    right.yaxis.get_major_locator().set_params(integer=True)
    right.spines["top"].set_visible(False)
    return figure
