# SPDX-License-Identifier: Apache-2.0
"""A queue with one server and constant service, made up, whose mean wait is known."""

from vcf_benchmarks.harness.arrivals import poisson
from vcf_benchmarks.harness.calls import Call, Run
from vcf_benchmarks.latency.measure import AtRate, Plan, counted

SERVICE_S = 0.1
PLAN = Plan(window_s=200, least_arrivals=20, warm_up_s=50, estimate_s=1, most_in_flight=64, seed=1)


def queue(rate: float, plan: Plan = PLAN, *, lag_s: float = 0.0, failure: str | None = None) -> AtRate:
    """M/D/1: Poisson arrivals, one server, ``SERVICE_S`` for each."""
    free, calls = 0.0, []
    for at in poisson(rate, plan.edges_s(rate)[-1], plan.seed).tolist():
        free = max(at + lag_s, free) + SERVICE_S
        calls.append(Call(at, at + lag_s, free, failure))
    return counted(rate, Run(tuple(calls), 0.02, 0.3), plan, 1.5)
