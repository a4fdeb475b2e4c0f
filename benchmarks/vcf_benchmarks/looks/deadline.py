# SPDX-License-Identifier: Apache-2.0
"""``vcf bench deadline``: a deadline of half the usual time, how late the client returns, and what ran all the same."""

import argparse
import json
import statistics
import time
import urllib.request
from collections.abc import Mapping
from typing import Any

from vcf_benchmarks.harness import options
from vcf_benchmarks.harness.studies import demo_series
from vcf_benchmarks.harness.timing import timed_ms
from vcf_client import VcfClient
from vcf_client.reader import read_study
from vcf_client.study import Study
from vcf_contract.contract import MODELS
from vcf_contract.errors import DeadlineExceeded
from vcf_server.assets import MODEL_REPOSITORY
from vcf_server.server import TritonServer


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measure on a server of its own, with LIDC-IDRI-0001."""
    options.at_least(args, runs=1)
    study = read_study(demo_series())
    with TritonServer(MODEL_REPOSITORY) as server:
        return measure(server, study, args.runs)


def table(figures: Mapping[str, Any]) -> list[str]:
    """Return how late the calls returned, and which models ran during each."""
    return [
        f"usual time {figures['usual_ms']} ms; past a deadline of half of it by {figures['late_ms']} ms",
        *(
            f"call {number} ran: {', '.join(name for name, count in ran.items() if count) or 'nothing'}"
            for number, ran in enumerate(figures["executions"], 1)
        ),
    ]


def measure(server: TritonServer, study: Study, runs: int) -> dict[str, Any]:
    """Return milliseconds past the deadline of each call by ``volume``, and executions of each model during it.

    Executions are counted when the server has had time to finish whatever it still does.
    """
    with VcfClient(server.grpc_url, transport="volume") as client:
        usual_s = statistics.median(timed_ms(lambda: client.analyze(study))[0] for _ in range(5)) / 1e3
    late_ms: list[float] = []
    executions: list[dict[str, int]] = []
    for _ in range(runs):
        before = _executions(server)
        with VcfClient(server.grpc_url, transport="volume", deadline_s=usual_s / 2) as client:
            started = time.perf_counter()
            try:
                client.analyze(study)
            except DeadlineExceeded:
                late_ms.append(round((time.perf_counter() - started - usual_s / 2) * 1e3, 1))
        time.sleep(2 * usual_s + 1)
        after = _executions(server)
        executions.append({name: after[name] - before[name] for name in before})
    return {"usual_ms": round(usual_s * 1e3, 1), "late_ms": late_ms, "executions": executions}


def _executions(server: TritonServer) -> dict[str, int]:
    with urllib.request.urlopen(f"http://{server.http_url}/v2/models/stats", timeout=10) as answer:
        models = json.load(answer)["model_stats"]
    ours = {model.name for model in MODELS}
    return {model["name"]: int(model["execution_count"]) for model in models if model["name"] in ours}
