# SPDX-License-Identifier: Apache-2.0
"""Where the time of one study goes, through a running server: one request after the other on a warm server."""

import time
from typing import Any

from benchmarks.timing import machine, summary
from clients import VcfClient
from clients.study import Study


def measure(client: VcfClient, study: Study, runs: int) -> dict[str, Any]:
    """Wall time of each stage and of the whole call, over ``runs`` calls after two uncounted ones."""
    calls: list[dict[str, float]] = []
    for call in range(runs + 2):
        started = time.perf_counter()
        findings = client.analyze(study)
        total = (time.perf_counter() - started) * 1e3
        if call >= 2:
            calls.append({**findings.timings_ms, "total": total})
    return {
        "volume": list(study.volume.hu.shape),
        "patches": len(findings.patches),
        "runs": runs,
        "machine": machine(),
        "stages": {stage: summary([call[stage] for call in calls]) for stage in calls[0]},
    }
