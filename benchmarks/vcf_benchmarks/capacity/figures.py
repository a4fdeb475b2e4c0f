# SPDX-License-Identifier: Apache-2.0
"""The capacity plan as figures, and hints for the autoscaler."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vcf_benchmarks.capacity.plan import LEAST_PODS, TAIL, Curve, Model, Need, cpu_target, need
from vcf_benchmarks.harness.result import Result, Target

BELIEVED_MISFIT = 0.3
"""Theory further from the measured curve than this is shown and not built on."""
GPU_QUEUE_TARGET_S = 1.0
"""The autoscaler's target of deploy/helm/vcf-triton (queueSeconds)."""


@dataclass(frozen=True)
class Asked:
    """The load: studies in the busiest hour and in each of the day, and the bound."""

    busiest: float
    hours: Sequence[float]
    bound_ms: float
    spare: int


def add_figures(result: Result, curve: Curve, per_server_s: float, asked: Asked, cost_per_hour: float | None) -> None:
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
    # What the bound leaves for waiting, where that is less than the chart's own target.
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
        "curve": curve.entry(),
        "by_hour": {"studies": list(asked.hours), "servers": [max(fewest, count) for count in by_hour]},
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
