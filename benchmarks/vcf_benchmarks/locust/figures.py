# SPDX-License-Identifier: Apache-2.0
"""A hospital's hours as figures: studies asked for, answered, and how long each took."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vcf_benchmarks.harness import validity
from vcf_benchmarks.harness.distribution import encoded, entries
from vcf_benchmarks.harness.profiles import Profile
from vcf_benchmarks.harness.result import Result

Call = Mapping[str, Any]


def add_figures(result: Result, profile: Profile, calls: Sequence[Call], minutes: float, capacity_per_s: float) -> None:
    """Write figures, histograms and the rules of the generator into the result."""
    sizes = sorted({call["size"] for call in calls}, key=lambda name: int(name.split()[0]))
    groups = {"all": list(calls)} | {size: [call for call in calls if call["size"] == size] for size in sizes}
    latencies = {name: [_ms(call, "due_s") for call in group] for name, group in groups.items()}
    sent = {name: [_ms(call, "sent_s") for call in group] for name, group in groups.items()}
    lag_ms = [(call["sent_s"] - call["due_s"]) * 1e3 for call in calls]
    result.figures = {
        "studies": len(calls),
        "studies_expected": round(profile.mean_share() * capacity_per_s * minutes * 60, 1),
        "failures": sum(call["failure"] is not None for call in calls),
        "lag_p99_ms": round(float(np.percentile(lag_ms, 99)), 3),
        "corrected": {name: entries(ms) for name, ms in latencies.items()},
        "uncorrected": {name: entries(ms) for name, ms in sent.items()},
        "failures_by_size": {
            name: sum(call["failure"] is not None for call in group) for name, group in groups.items()
        },
        "calls": [{name: round(of, 4) if isinstance(of, float) else of for name, of in call.items()} for call in calls],
    }
    result.histograms = {f"{name}, corrected": encoded(ms) for name, ms in latencies.items()}
    result.histograms["lag"] = encoded(lag_ms)
    lagging = validity.lagging(lag_ms, float(np.median(sent["all"])))
    result.broken = [lagging] if lagging else []


def _ms(call: Call, since: str) -> float:
    return float(call["done_s"] - call[since]) * 1e3
