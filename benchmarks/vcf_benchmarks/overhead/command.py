# SPDX-License-Identifier: Apache-2.0
"""The run of ``vcf bench overhead``."""

import argparse
import os

from vcf_benchmarks.harness.answers import Check
from vcf_benchmarks.harness.own_process import PipelineProcess
from vcf_benchmarks.harness.result import Result
from vcf_benchmarks.harness.studies import stretched_ct
from vcf_benchmarks.harness.validity import watched, wrong
from vcf_benchmarks.harness.windows import rounds_of
from vcf_benchmarks.overhead.figures import LOOPS, add_latency, add_throughput
from vcf_benchmarks.overhead.goals import IN_PROCESS
from vcf_benchmarks.overhead.measure import latencies, saturated
from vcf_client import VcfClient
from vcf_server.assets import MODEL_REPOSITORY
from vcf_server.server import TritonServer


def run(args: argparse.Namespace) -> Result:
    """Measure latency in turn, then saturated loops in turn."""
    study = stretched_ct(args.slices)
    result = Result("overhead", {"slices": args.slices, "runs": args.runs, "seconds": args.seconds})
    with (
        PipelineProcess(study.volume) as pipeline,
        TritonServer(MODEL_REPOSITORY) as server,
        VcfClient(server.grpc_url, transport="crop") as crop,
        VcfClient(server.grpc_url, transport="shm") as shm,
    ):
        clients = {"crop": crop, "shm": shm}
        with watched(os.getpid()) as watch:
            check = Check(pipeline.scores())
            times, windows = latencies(study, pipeline, clients, args.runs, check)
            loops, core_ms = saturated(study, pipeline, clients, args.seconds, check)
    for way, times_ms in times.items():
        add_latency(result, way, times_ms, times[IN_PROCESS], rounds_of(args.runs))
    for way, rounds in loops.items():
        add_throughput(result, way, rounds, loops[IN_PROCESS])
    result.broken += watch.broken
    if mistaken := wrong(check.answers, check.mistaken):
        result.broken.append(mistaken)
    result.figures["core_ms"] = core_ms
    result.figures["windows_until_settled"] = {
        "latency": windows,
        "throughput": len(loops[IN_PROCESS]) // LOOPS,
    }
    result.figures |= {"largest_score_difference": check.largest, "answers": check.answers}
    return result
