# SPDX-License-Identifier: Apache-2.0
"""Odd requests to all models of a server, entry models and inner ones, and a good study every now and then."""

import time
from collections import Counter
from pathlib import Path

import grpc
import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from tritonclient.grpc import service_pb2 as kserve
from tritonclient.grpc import service_pb2_grpc

from vcf_benchmarks.drills.figures import Line
from vcf_benchmarks.drills.requests import requests
from vcf_contract.contract import FEATURE_ROWS, SEQUENCE_HEAD, SPACING_MM, VCF, VOLUME
from vcf_contract.errors import DeadlineExceeded, StudyRefused
from vcf_server import processes
from vcf_server.server import TritonServer

HANGS_AFTER_S = 60.0
CONTROL_EVERY = 500
REFUSED, ANSWERED, BY_TRITON, UNCODED, HANG, NOT_SENT = (
    *("refused with a code", "answered", "refused by Triton before any model"),
    *("an error without a code", "no answer in time", "not sent: the library refuses it"),
)
_BY_TRITON = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNIMPLEMENTED)
_ANSWER_TO_NONE = "failed:"
"""What an uncaught error of a Python model looks like."""


def outcome(stub: service_pb2_grpc.GRPCInferenceServiceStub, request: kserve.ModelInferRequest) -> tuple[str, str]:
    """Send a request; what came of it, and the server's words where they have no code."""
    try:
        stub.ModelInfer(request, timeout=HANGS_AFTER_S)
    except grpc.RpcError as error:
        details = str(error.details())
        if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
            return HANG, request.model_name
        if StudyRefused.find(details) or f"{DeadlineExceeded.CODE}: " in details:
            return REFUSED, ""
        if error.code() in _BY_TRITON and _ANSWER_TO_NONE not in details:
            return BY_TRITON, ""
        return UNCODED, f"{request.model_name}: {error.code().name} {details}"
    except (ValueError, TypeError):
        return NOT_SENT, ""
    return ANSWERED, ""


def run(models: Path, count: int, seed: int = 0) -> list[Line]:
    """Send so many requests to a server on these models."""
    counts: Counter[str] = Counter()
    words: Counter[str] = Counter()
    with TritonServer(models) as server:
        before = processes.stubs(server.shm_prefix)
        with grpc.insecure_channel(server.grpc_url, options=[("grpc.max_send_message_length", -1)]) as channel:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
            right = _control(stub)
            wrong = 0

            @settings(
                max_examples=count,
                database=None,
                deadline=None,
                derandomize=True,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(requests(_features(stub)))
            def send(request: kserve.ModelInferRequest) -> None:
                nonlocal wrong
                found, said = outcome(stub, request)
                counts[found] += 1
                if said:
                    words[said[:300]] += 1
                if counts.total() % CONTROL_EVERY == 0:
                    wrong += _control(stub) != right

            started = time.monotonic()
            while counts.total() < count:  # hypothesis ends early when it has seen all that it can think of
                had = counts.total()
                send()
                if counts.total() == had:
                    break
            seconds = time.monotonic() - started
            wrong += _control(stub) != right
        dead = len(set(before) - set(processes.stubs(server.shm_prefix)))
    for text, times in words.most_common(20):
        print(f"fuzz: {times} × {text}")
    return [
        Line("fuzz", f"odd requests to all models ({seconds:.0f} s)", counts.total(), unit="requests"),
        *(Line("fuzz", what, counts[what], unit="requests") for what in (ANSWERED, REFUSED, BY_TRITON)),
        Line("fuzz", "models' processes that died", dead, goal=0, before="7 of 8 requests below end one for good"),
        Line("fuzz", UNCODED, counts[UNCODED], goal=0),
        Line("fuzz", HANG, counts[HANG], goal=0),
        Line("fuzz", "control studies answered otherwise than at first", wrong, goal=0),
    ]


def _features(stub: service_pb2_grpc.GRPCInferenceServiceStub) -> int:
    """Tell how many features the served networks have for a patch: Triton refuses all others before any model."""
    metadata = stub.ModelMetadata(kserve.ModelMetadataRequest(name=SEQUENCE_HEAD.name), timeout=HANGS_AFTER_S)
    return int(next(tensor.shape[-1] for tensor in metadata.inputs if tensor.name == FEATURE_ROWS.name))


def _control(stub: service_pb2_grpc.GRPCInferenceServiceStub) -> str:
    """Tell what the server says of a small study: a score, or the code of a refusal, as the networks have it."""
    volume = np.full((60, 64, 64), 40, "<i2")
    volume[:, 24:40, 24:40] = 300
    request = kserve.ModelInferRequest(model_name=VCF.name, id="control")
    request.inputs.add(name=VOLUME.name, datatype=VOLUME.dtype, shape=volume.shape)
    request.inputs.add(name=SPACING_MM.name, datatype=SPACING_MM.dtype, shape=(3,))
    request.raw_input_contents.extend((volume.tobytes(), np.full(3, 3, "<f4").tobytes()))
    try:
        answer = stub.ModelInfer(request, timeout=HANGS_AFTER_S)
    except grpc.RpcError as error:
        return str(error.details())
    named = zip(answer.outputs, answer.raw_output_contents, strict=True)
    return next(bytes(content).hex() for output, content in named if output.name == "study_score")
