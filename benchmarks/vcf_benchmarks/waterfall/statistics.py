# SPDX-License-Identifier: Apache-2.0
"""Triton's cumulated statistics of each model: what there is of a server whose trace cannot be read.

They say how long a model's requests waited and ran, not when, so models that ran in parallel cannot be told from models
that ran in turn: they make a table, and no waterfall.
"""

from collections.abc import Mapping

import grpc
from tritonclient.grpc import service_pb2 as kserve

from vcf_benchmarks.waterfall.kinds import Kind

FIELDS: Mapping[Kind, str] = {
    Kind.QUEUE: "queue",
    Kind.INPUT: "compute_input",
    Kind.COMPUTE: "compute_infer",
    Kind.OUTPUT: "compute_output",
}
_METHOD = f"/{kserve.DESCRIPTOR.services_by_name['GRPCInferenceService'].full_name}/ModelStatistics"
TIMEOUT_S = 10.0

Totals = dict[tuple[str, Kind], int]
"""Nanoseconds since the server started, by model and kind."""


def totals(address: str) -> Totals:
    """Read those of all models that run something themselves; ``grpc.RpcError`` if the server does not say."""
    with grpc.insecure_channel(address) as channel:
        ask = channel.unary_unary(
            _METHOD,
            request_serializer=kserve.ModelStatisticsRequest.SerializeToString,
            response_deserializer=kserve.ModelStatisticsResponse.FromString,
        )
        models = ask(kserve.ModelStatisticsRequest(), timeout=TIMEOUT_S).model_stats
    return {
        (model.name, kind): getattr(model.inference_stats, field).ns
        for model in models
        for kind, field in FIELDS.items()
        if model.inference_stats.compute_infer.ns
    }


def per_study_ms(before: Totals, after: Totals, studies: int) -> dict[str, dict[str, float]]:
    """Return mean milliseconds of each model in a study, by kind; models that did nothing are left out."""
    found: dict[str, dict[str, float]] = {}
    for (model, kind), ns in after.items():
        if spent := ns - before.get((model, kind), 0):
            found.setdefault(model, {})[str(kind)] = round(spent / 1e6 / studies, 3)
    return found
