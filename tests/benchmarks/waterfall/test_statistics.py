# SPDX-License-Identifier: Apache-2.0
"""Differences of Triton's cumulated statistics, read from a server that counts what it is told."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from tritonclient.grpc import service_pb2 as kserve
from tritonclient.grpc import service_pb2_grpc

from vcf_benchmarks.waterfall.kinds import Kind
from vcf_benchmarks.waterfall.statistics import per_study_ms, totals


class Server(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
    def ModelStatistics(self, request: Any, context: Any) -> Any:
        answer = kserve.ModelStatisticsResponse()
        busy = answer.model_stats.add(name="patch_encoder")
        for field, ns in (("queue", 1), ("compute_input", 2), ("compute_infer", 3_000_000), ("compute_output", 4)):
            getattr(busy.inference_stats, field).ns = ns
        answer.model_stats.add(name="vcf").inference_stats.queue.ns = 9  # an ensemble runs nothing itself
        return answer


def test_totals_of_models_that_run_something() -> None:
    server = grpc.server(ThreadPoolExecutor(1))
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(Server(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    found = totals(f"127.0.0.1:{port}")
    server.stop(None).wait()
    assert found == {
        ("patch_encoder", Kind.QUEUE): 1,
        ("patch_encoder", Kind.INPUT): 2,
        ("patch_encoder", Kind.COMPUTE): 3_000_000,
        ("patch_encoder", Kind.OUTPUT): 4,
    }
    with pytest.raises(grpc.RpcError):
        totals(f"127.0.0.1:{port}")


def test_a_mean_study_is_what_was_added_over_their_number() -> None:
    before = {("a", Kind.COMPUTE): 5_000_000, ("a", Kind.QUEUE): 7, ("idle", Kind.COMPUTE): 3}
    after = {
        ("a", Kind.COMPUTE): 17_000_000,
        ("a", Kind.QUEUE): 7,
        ("idle", Kind.COMPUTE): 3,
        ("b", Kind.INPUT): 8_000_000,
    }
    assert per_study_ms(before, after, 4) == {"a": {str(Kind.COMPUTE): 3.0}, "b": {str(Kind.INPUT): 2.0}}
