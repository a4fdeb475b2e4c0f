# SPDX-License-Identifier: Apache-2.0
"""A study, an answer to it, and a server that gives that answer, late or never, as a test asks."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import grpc
import numpy as np
import pytest
from numpy.typing import NDArray
from tritonclient.grpc import service_pb2 as kserve
from tritonclient.grpc import service_pb2_grpc

from vcf_client import Findings, Study, VcfClient
from vcf_contract import contract
from vcf_contract.errors import Code
from vcf_preprocess.geometry import Volume

K, DZ, DY, DX = 5, 2.0, 0.8, 0.75
ANGLE = np.deg2rad(2.0)


@pytest.fixture(scope="session")
def study() -> Study:
    """A made-up column of 96 slices, turned by two degrees about the patient's z and off the origin."""
    z, y, x = np.mgrid[:96, :160, :140].astype(np.float32)
    spine = np.hypot(y - 90, x - 70) < 20
    hu = np.where(spine, 250 + 150 * np.cos(z / 3), -50).astype(np.int16)
    turn = np.array([[np.cos(ANGLE), -np.sin(ANGLE), 0], [np.sin(ANGLE), np.cos(ANGLE), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = turn * [DX, DY, DZ]
    affine[:3, 3] = 11.0, -22.0, -333.0
    return Study(Volume(hu, (DZ, DY, DX), affine), "k1a2b3", (Code.THICK_SLICES,), ("series 1 of 1 taken: CT",))


@pytest.fixture
def answer(study: Study) -> dict[str, NDArray[Any]]:
    """What a server would say of it: one fracture at patch 4 of 5."""
    top = 95 * DZ
    edges = np.linspace(top, 0, K + 1)
    line = np.stack([np.full(96, 52.5), np.full(96, 86.0), np.arange(96) * DZ], -1)
    boxes = np.array([[28.5, 36.0, low, 76.5, 100.0, high] for high, low in pairwise(edges)])
    tensors: dict[contract.Tensor, Any] = {
        contract.STUDY_SCORE: [0.75],
        contract.THRESHOLD: [0.4],
        contract.PATCH_PROBABILITIES: [0.1, 0.05, 0.3, 0.98, 0.5],
        contract.PATCH_SCORES: [0.08, 0.125, 0.4, 0.75, 0.66],
        contract.PATCH_BOXES_MM: boxes,
        contract.LOCATION: (np.arange(K) + 0.5) / K,
        contract.CENTRE_LINE_MM: line,
        contract.MIDSAGITTAL: study.volume.hu[::-1, :, 70],
        contract.MIDSAGITTAL_MM: [top, 0.0, DZ, DY],
        contract.FLAGS: [b"CANAL_INTERPOLATED", b"THICK_SLICES"],
        contract.MODEL_HASH: [b"0f" * 32],
        contract.STAGE_TIMINGS_MS: [1.0, 2.0, 0.25, 3.0, 4.0, 0.5],
    }
    dtypes: dict[str, Any] = {"FP32": np.float32, "INT16": np.int16, "BYTES": object}
    assert {t.name for t in tensors} == {t.name for t in contract.VCF.outputs}
    return {t.name: np.array(value, dtypes[t.dtype]) for t, value in tensors.items()}


@dataclass
class FakeTriton(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
    """Answers ``ModelInfer`` with ``reply`` and keeps what it was asked."""

    reply: Callable[[Any, grpc.ServicerContext], Any]
    port: int = 0
    requests: list[Any] = field(default_factory=list)
    admission: list[tuple[str, str]] = field(default_factory=list)
    """Ids that asked for admission, and their words."""

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def ModelInfer(self, request: Any, context: grpc.ServicerContext) -> Any:
        if request.model_name == contract.ADMISSION.name:
            self.admission.append((request.id, request.raw_input_contents[0][4:].decode()))
            return self.admit(request, context)
        self.requests.append(request)
        return self.reply(request, context)

    def admit(self, request: Any, context: grpc.ServicerContext) -> Any:
        return kserve.ModelInferResponse(model_name=request.model_name)

    def ModelReady(self, request: Any, context: grpc.ServicerContext) -> Any:
        return kserve.ModelReadyResponse(ready=request.name == contract.VCF.name)


def as_message(tensors: dict[str, NDArray[Any]]) -> Any:
    """Tensors in the form Triton sends them in."""
    names = {np.dtype(np.float32): "FP32", np.dtype(np.int16): "INT16", np.dtype(object): "BYTES"}
    message = kserve.ModelInferResponse(model_name=contract.VCF.name, model_version="1")
    for name, array in tensors.items():
        message.outputs.add(name=name, datatype=names[array.dtype], shape=array.shape)
        elements = [len(e).to_bytes(4, "little") + e for e in array.ravel()] if array.dtype == object else []
        message.raw_output_contents.append(b"".join(elements) if array.dtype == object else array.tobytes())
    return message


@pytest.fixture
def fake_triton(answer: dict[str, NDArray[Any]]) -> Iterator[FakeTriton]:
    fake = FakeTriton(lambda request, context: as_message(answer))
    server = grpc.server(ThreadPoolExecutor(2), options=[("grpc.max_receive_message_length", -1)])
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(fake, server)
    fake.port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield fake
    server.stop(None).wait()


@pytest.fixture
def findings(fake_triton: FakeTriton, study: Study) -> Findings:
    with VcfClient(fake_triton.address) as client:
        return client.analyze(study)
