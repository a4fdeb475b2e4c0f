# SPDX-License-Identifier: Apache-2.0
"""A deadline of half the usual time: how late the client returns, and which steps of the server ran all the same."""

import json
import statistics
import time
import urllib.request
from typing import Any

from clients import VcfClient
from clients.study import Study
from vcf.contract import MODELS
from vcf.errors import DeadlineExceeded
from vcf.serve.server import TritonServer


def measure(server: TritonServer, study: Study, runs: int) -> dict[str, Any]:
    """By the wire ``volume``: milliseconds past the deadline of each call, and executions of each model during it.

    Executions are counted when the server has had time to finish whatever it still does.
    """
    with VcfClient(server.grpc_url, wire="volume") as client:
        usual_s = statistics.median(_timed_s(client, study) for _ in range(5))
    late_ms: list[float] = []
    executions: list[dict[str, int]] = []
    for _ in range(runs):
        before = _executions(server)
        with VcfClient(server.grpc_url, wire="volume", deadline_s=usual_s / 2) as client:
            started = time.perf_counter()
            try:
                client.analyze(study)
            except DeadlineExceeded:
                late_ms.append(round((time.perf_counter() - started - usual_s / 2) * 1e3, 1))
        time.sleep(2 * usual_s + 1)
        after = _executions(server)
        executions.append({name: after[name] - before[name] for name in before})
    return {"usual_ms": round(usual_s * 1e3, 1), "late_ms": late_ms, "executions": executions}


def _timed_s(client: VcfClient, study: Study) -> float:
    started = time.perf_counter()
    client.analyze(study)
    return time.perf_counter() - started


def _executions(server: TritonServer) -> dict[str, int]:
    with urllib.request.urlopen(f"http://{server.http_url}/v2/models/stats", timeout=10) as answer:
        models = json.load(answer)["model_stats"]
    ours = {model.name for model in MODELS}
    return {model["name"]: int(model["execution_count"]) for model in models if model["name"] in ours}
