# SPDX-License-Identifier: Apache-2.0
"""What the endpoint asks of its server, and what it need not ask again."""

from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from tritonclient.grpc import service_pb2 as kserve

from vcf_client import endpoint as endpoint_module
from vcf_client.calls import Blocking, finish
from vcf_client.endpoint import _FRESH_S, Connection, Endpoint
from vcf_client.faults import Fault
from vcf_client.region import FOLDER
from vcf_contract.contract import SLICE_LOCATION_MM, SPACING_MM
from vcf_contract.version import VERSION_PARAMETER

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="regions are files of /dev/shm")

REGION_BYTES = 1000


class Down(grpc.RpcError):
    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNAVAILABLE

    def details(self) -> str:
        return "Socket closed"

    def debug_error_string(self) -> str:
        return ""


class Server(Blocking):
    """Calls that are answered here, by a server with one model; ``asked`` are the methods in order."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.down = False

    def channel(self, target: str, credentials: Any, options: Any) -> Any:
        return SimpleNamespace(
            unary_unary=lambda path, **_: path.rpartition("/")[2],
            close=lambda: None,
        )

    async def call(self, method: Any, request: Any, timeout_s: float, metadata: Any) -> Any:
        self.asked.append(method)
        if self.down:
            raise Down
        if method == "ModelReady":
            return kserve.ModelReadyResponse(ready=request.name == "there")
        return kserve.ModelInferResponse()

    async def send(self, method: Any, request: Any, timeout_s: float, metadata: Any, wait_s: float) -> None:
        self.asked.append(method)


class Clock:
    now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(endpoint_module, "time", clock)
    return clock


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def endpoint(server: Server, clock: Clock) -> Endpoint:
    return Endpoint("127.0.0.1:1", Connection(), server)


def study(endpoint: Endpoint) -> None:
    assert finish(endpoint.recently_had_model("there", 1))
    region = finish(endpoint.borrow(REGION_BYTES, 1))
    assert region is not None
    finish(endpoint.infer(b"", 1))
    endpoint.give_back(region)


ALL_ASKED = ["ModelReady", "SystemSharedMemoryStatus", "ModelInfer"]


def test_what_a_server_has_just_said_is_not_asked_again(endpoint: Endpoint, server: Server, clock: Clock) -> None:
    study(endpoint)
    assert server.asked == ["ModelReady", "SystemSharedMemoryRegister", "ModelInfer"]
    server.asked.clear()
    clock.now_s += 0.9 * _FRESH_S
    study(endpoint)
    assert server.asked == ["ModelInfer"]


def test_later_all_is_asked_again_however_often_the_server_answered(
    endpoint: Endpoint, server: Server, clock: Clock
) -> None:
    """It may have been told to drop a model or a region in between."""
    study(endpoint)
    for _ in range(5):
        server.asked.clear()
        clock.now_s += 0.6 * _FRESH_S
        finish(endpoint.infer(b"", 1))
        clock.now_s += 0.6 * _FRESH_S
        study(endpoint)
        assert server.asked == ["ModelInfer", *ALL_ASKED]


def test_readiness_itself_is_always_asked_for(endpoint: Endpoint, server: Server) -> None:
    assert finish(endpoint.has_model("there", 1)) and finish(endpoint.has_model("there", 1))
    assert server.asked == ["ModelReady"] * 2


def test_after_an_error_all_is_asked_again(endpoint: Endpoint, server: Server) -> None:
    study(endpoint)
    server.asked.clear()
    server.down = True
    with pytest.raises(Fault):
        finish(endpoint.infer(b"", 1))
    server.down = False
    study(endpoint)
    assert server.asked == ["ModelInfer", *ALL_ASKED]


def test_a_model_that_is_not_there_is_asked_for_again(endpoint: Endpoint, server: Server) -> None:
    for _ in range(2):
        assert not finish(endpoint.recently_had_model("elsewhere", 1))
    assert server.asked == ["ModelReady"] * 2


@pytest.mark.parametrize(("version", "sent"), [("2.0.3", False), ("2.1.0", True), ("2.7.0", True), (None, False)])
def test_a_server_is_sent_no_input_that_it_does_not_know(version: str | None, sent: bool) -> None:
    """Triton refuses a request with an input that its model lacks; a server of no known version may lack it."""

    class Versioned(Server):
        async def call(self, method: Any, request: Any, timeout_s: float, metadata: Any) -> Any:
            answer = kserve.ModelConfigResponse()
            if version:
                answer.config.parameters[VERSION_PARAMETER].string_value = version
            return answer

    server = Endpoint("127.0.0.1:1", Connection(), Versioned())
    assert not server.takes(SLICE_LOCATION_MM), "nothing is known yet"
    assert finish(server.contract_version("vcf", 1.0)) == version
    assert server.takes(SLICE_LOCATION_MM) == sent
    assert server.takes(SPACING_MM)
