# SPDX-License-Identifier: Apache-2.0
"""Latency against rate as figures."""

from typing import Any

import numpy as np

from vcf_benchmarks.harness.distribution import encoded, entries
from vcf_benchmarks.harness.result import Result
from vcf_benchmarks.latency.measure import AtRate, Measured, Plan


def add_figures(result: Result, measured: Measured, plan: Plan) -> None:
    """Write figures, histograms and broken rules into the result."""
    knee = measured.knee
    result.figures = {
        "closed_loop_per_s": {str(callers): round(rate, 3) for callers, rate in measured.closed_per_s.items()},
        "highest_per_s": round(measured.highest_per_s, 3),
        "knee_per_s": round(knee.rate_per_s, 3) if knee else None,
        "rates": [_entry(rate, plan) for rate in measured.rates],
    }
    for rate in measured.rates:
        name = f"{rate.rate_per_s:.3g} studies/s"
        result.histograms[f"{name}, corrected"] = encoded(rate.corrected_ms)
        result.histograms[f"{name}, uncorrected"] = encoded(rate.uncorrected_ms)
        result.histograms[f"{name}, lag"] = encoded(call.lag_ms for call in rate.calls)
    result.broken = measured.broken


def _entry(rate: AtRate, plan: Plan) -> dict[str, Any]:
    edges_s = plan.edges_s(rate.rate_per_s)
    return {
        "rate_per_s": round(rate.rate_per_s, 4),
        "n": len(rate.calls),
        "window_s": round(edges_s[1] - edges_s[0], 2),
        "corrected": entries(rate.corrected_ms),
        "uncorrected": entries(rate.uncorrected_ms),
        "window_medians_ms": [round(median, 2) for median in rate.medians_ms],
        "lag_p99_ms": round(_lag_p99(rate), 3),
        "answered_per_arrival": round(rate.answered_per_arrival, 4),
        "kept_up": rate.kept_up,
        "failures": sum(call.failure is not None for call in rate.calls),
        "generator_thread_share": round(rate.loop_share, 4),
        "generator_cores": round(rate.generator_cores, 4),
        "server_cores": None if rate.server_cores is None else round(rate.server_cores, 4),
        "broken_rules": rate.broken,
    }


def _lag_p99(rate: AtRate) -> float:
    return float(np.percentile([call.lag_ms for call in rate.calls], 99))
