# SPDX-License-Identifier: Apache-2.0
"""The capacity plan as figures, pictures and hints for the autoscaler."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.capacity_plan import LEAST_PODS, MEDIAN, TAIL, Curve, Model, Need, cpu_target, need
from benchmarks.page import Section, svg
from benchmarks.result import Result, Target

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, RED, GREY, GREEN = "#1f4e79", "#a11616", "#888888", "#0a6b2d"
LOADS = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
"""Of the busiest hour: rows of the table."""
BELIEVED_MISFIT = 0.3
"""Theory further from the measured curve than this is shown and not built on."""
GPU_QUEUE_TARGET_S = 1.0
"""Of deploy/kubernetes/overlays/gpu."""


@dataclass(frozen=True)
class Asked:
    """The load: studies in the busiest hour and in each of the day, and the bound."""

    busiest: float
    hours: Sequence[float]
    bound_ms: float
    spare: int


def fill(result: Result, curve: Curve, per_server_s: float, asked: Asked, cost_per_hour: float | None) -> None:
    """Write the plan into the result."""
    needed = need(asked.busiest, per_server_s, asked.spare)
    by_hour = [need(studies, per_server_s, asked.spare).replicas for studies in asked.hours]
    fewest = max(LEAST_PODS, min(by_hour))
    most = max(needed.replicas, fewest)
    scaled_hours = sum(max(fewest, pods) for pods in by_hour)
    model = Model.of(curve)
    misfit = model.misfit(curve)
    pooled = model.servers(asked.busiest / 3600, asked.bound_ms) if misfit <= BELIEVED_MISFIT else None
    each_s = asked.busiest / 3600 / needed.working
    # What the bound leaves for waiting, where that is less than the overlay's own target.
    queue_target_s = min(GPU_QUEUE_TARGET_S, round(max(0.0, asked.bound_ms - curve.p99_ms[0]) / 1e3, 2))
    autoscaler = {
        "minReplicas": fewest,
        "maxReplicas": most,
        "averageUtilization": cpu_target(curve, per_server_s, needed),
        "requests_cpu": curve.cores,
        "queue_seconds_per_study": queue_target_s,
    }
    result.figures = {
        "studies_per_hour": round(asked.busiest, 1),
        "replicas": needed.replicas,
        "working": needed.working,
        "spare": needed.spare,
        "per_server_per_s": round(per_server_s, 4),
        "per_server_per_hour": round(per_server_s * 3600),
        "p99_ms_with_spare_down": round(curve.at(each_s, TAIL)),
        "p99_ms_with_all": round(curve.at(asked.busiest / 3600 / needed.replicas, TAIL)),
        "server_hours_per_day": {"fixed": 24 * needed.replicas, "scaled": scaled_hours},
        "cost": _cost(needed, scaled_hours, asked, cost_per_hour),
        "autoscaler": autoscaler,
        "theory": {
            "service_s": round(model.service_s, 4),
            "fixed_s": round(model.fixed_s, 4),
            "scv": round(model.scv, 2),
            "misfit": round(misfit, 3),
            "servers_behind_one_queue": pooled,
        },
        "summary": _summary(needed, scaled_hours, asked, cost_per_hour, autoscaler),
    }
    result.targets.append(
        Target("p99 with the spare servers down, ms", result.figures["p99_ms_with_spare_down"], asked.bound_ms)
    )
    result.sections = [
        Section(
            "One server",
            f"Measured latency against rate. Up to {per_server_s:.3g} studies a second p99 stays within "
            f"{asked.bound_ms:.0f} ms. The thin line is theory: one queue with a mean service time of "
            f"{model.service_s * 1e3:.0f} ms, {model.fixed_s * 1e3:.0f} ms more that nobody waits for, and a squared "
            f"coefficient of variation fitted to the points, {model.scv:.2g}. It misses the points by "
            f"{math.expm1(misfit):.0%} on average.",
            svg(_latency_plot(curve, model, per_server_s, asked)),
        ),
        Section(
            "Servers against load",
            f"{needed.working} servers meet the bound in the busiest hour, {needed.replicas} with {needed.spare} down. "
            + (
                f"Behind one common queue, where no server idles while a study waits, theory has {pooled}; clients "
                "that share studies out in turn, as gRPC does, need as many as above."
                if pooled
                else ""
            ),
            svg(_replica_plot(per_server_s, asked, needed)),
            header=("studies/hour", "servers", "with spare", "each, studies/s", "p50, ms", "p99, ms", "p99, spare down")
            + (("cost/hour", "cost/1000 studies") if cost_per_hour else ()),
            rows=[_row(curve, asked.busiest * share, per_server_s, asked.spare, cost_per_hour) for share in LOADS],
        ),
        Section(
            "A day",
            f"Servers by the hour, spare ones included: {scaled_hours} server-hours a day if an autoscaler follows, "
            f"{24 * needed.replicas} if the number is fixed.",
            svg(_day_plot(asked, by_hour, fewest)),
        ),
        Section(
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
                ("gpu overlay: vcf_queue_seconds_per_study", queue_target_s),
            ],
        ),
    ]


def _cost(needed: Need, scaled_hours: int, asked: Asked, per_hour: float | None) -> dict[str, float] | None:
    if per_hour is None:
        return None
    studies = sum(asked.hours)
    return {
        "per_hour": round(needed.replicas * per_hour, 4),
        "per_day_fixed": round(24 * needed.replicas * per_hour, 2),
        "per_day_scaled": round(scaled_hours * per_hour, 2),
        "per_1000_studies_fixed": round(24 * needed.replicas * per_hour / studies * 1000, 2),
        "per_1000_studies_scaled": round(scaled_hours * per_hour / studies * 1000, 2),
    }


def _summary(
    needed: Need, scaled_hours: int, asked: Asked, per_hour: float | None, autoscaler: dict[str, Any]
) -> list[str]:
    lines = []
    if cost := _cost(needed, scaled_hours, asked, per_hour):
        lines.append(
            f"{cost['per_day_fixed']:g} a day, {cost['per_1000_studies_fixed']:g} a thousand studies; "
            f"with an autoscaler {cost['per_day_scaled']:g} and {cost['per_1000_studies_scaled']:g}"
        )
    hints = [
        f"{key} {autoscaler[key]}" for key in ("minReplicas", "maxReplicas", "averageUtilization") if autoscaler[key]
    ]
    return [*lines, f"autoscaler: {', '.join(hints)}"]


def _row(curve: Curve, studies: float, per_server_s: float, spare: int, cost: float | None) -> list[Any]:
    needed = need(studies, per_server_s, spare)
    all_s, left_s = studies / 3600 / needed.replicas, studies / 3600 / needed.working
    row: list[Any] = [round(studies), needed.working, needed.replicas, all_s]
    row += [round(curve.at(all_s, MEDIAN)), round(curve.at(all_s, TAIL)), round(curve.at(left_s, TAIL))]
    if cost:
        row += [needed.replicas * cost, needed.replicas * cost / studies * 1000]
    return row


def _latency_plot(curve: Curve, model: Model, per_server_s: float, asked: Asked) -> "Figure":
    figure, axes = _axes()
    axes.plot(curve.per_s, curve.p99_ms, "o-", color=BLUE, label="p99, measured")
    axes.plot(curve.per_s, curve.p50_ms, "o-", color=BLUE, alpha=0.4, label="p50, measured")
    rates = np.linspace(curve.per_s[0] / 4, curve.per_s[-1], 120)
    axes.plot(rates, [model.p99_ms(rate) for rate in rates], "--", color=GREY, lw=1, label="p99, theory")
    axes.axhline(asked.bound_ms, color=RED, lw=0.9, ls=":")
    axes.axvline(per_server_s, color=GREEN, lw=0.9)
    axes.plot(per_server_s, curve.at(per_server_s, TAIL), "o", ms=11, mfc="none", mec=GREEN)
    axes.text(curve.per_s[0] / 4, asked.bound_ms, " bound", color=RED, va="bottom", fontsize=9)
    axes.set(xlabel="studies a second, one server", ylabel="latency, ms", xlim=(0, None))
    axes.set_ylim(0, max(asked.bound_ms * 1.3, min(max(curve.p99_ms) * 1.1, asked.bound_ms * 3)))
    axes.legend(frameon=False)
    return figure


def _replica_plot(per_server_s: float, asked: Asked, needed: Need) -> "Figure":
    figure, axes = _axes()
    loads = np.linspace(0, 2 * asked.busiest, 801)[1:]
    needs = [need(load, per_server_s, asked.spare) for load in loads]
    axes.step(loads, [each.replicas for each in needs], color=BLUE, where="pre", label=f"with {asked.spare} spare")
    axes.step(loads, [each.working for each in needs], color=BLUE, alpha=0.4, where="pre", label="all well")
    axes.plot(asked.busiest, needed.replicas, "o", ms=9, mfc="none", mec=GREEN, mew=1.6, label="busiest hour")
    axes.set(xlabel="studies an hour", ylabel="servers", xlim=(0, None), ylim=(0, None))
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.legend(frameon=False)
    return figure


def _day_plot(asked: Asked, by_hour: Sequence[int], fewest: int) -> "Figure":
    figure, axes = _axes()
    hours = np.arange(24)
    axes.bar(hours + 0.5, asked.hours, color=BLUE, alpha=0.3, width=0.92)
    axes.set(xlabel="hour of the day", ylabel="studies an hour", xlim=(0, 24), xticks=range(0, 25, 3))
    right = axes.twinx()
    pods = [max(fewest, count) for count in by_hour]
    right.step([*hours, 24], [*pods, pods[-1]], where="post", color=GREEN)
    right.set_ylabel("servers", color=GREEN)
    right.set_ylim(0, max(pods) * 1.15)
    right.yaxis.get_major_locator().set_params(integer=True)
    right.spines["top"].set_visible(False)
    return figure


def _axes() -> tuple["Figure", Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.8))
    axes = figure.subplots()
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes
