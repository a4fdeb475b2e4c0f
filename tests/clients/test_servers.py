# SPDX-License-Identifier: Apache-2.0
"""Several servers of one client: a study stays with one, each gets its share, and one that goes loses no study."""

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from tritonclient.grpc import service_pb2 as kserve
from tritonclient.grpc import service_pb2_grpc

from tests.clients.conftest import FakeTriton, as_message
from vcf_client import AsyncVcfClient, Retry, Study, VcfClient, names
from vcf_client.retry import NO_RETRY
from vcf_contract.contract import VCF_CROP, VCF_SCOUT
from vcf_contract.errors import ServerUnavailable

QUICK = Retry(attempts=4, first_s=0.01, longest_s=0.02)
HOSTS = ("127.0.0.1", "127.0.0.2")
NAME = "triton.test"


class Takes(FakeTriton):
    """Takes the crop, too."""

    def ModelReady(self, request: Any, context: grpc.ServicerContext) -> Any:
        return kserve.ModelReadyResponse(ready=True)

    def asked(self) -> Counter[str]:
        return Counter(request.model_name for request in self.requests)


def serve(fake: FakeTriton, host: str, port: int = 0) -> grpc.Server:
    server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.max_receive_message_length", -1)])
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(fake, server)
    fake.port = server.add_insecure_port(f"{host}:{port}")
    server.start()
    return server


@pytest.fixture
def pair(answer: dict[str, Any]) -> Iterator[tuple[Takes, Takes]]:
    """Two servers of one port, on two addresses of this machine."""
    fakes = Takes(lambda *_: as_message(answer)), Takes(lambda *_: as_message(answer))
    first = serve(fakes[0], HOSTS[0])
    second = serve(fakes[1], HOSTS[1], fakes[0].port)
    yield fakes
    first.stop(None).wait()
    second.stop(None).wait()


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses of the name, to be changed by a test."""
    found = list(HOSTS)
    usual = socket.getaddrinfo

    def look_up(host: Any, port: Any, *args: Any, **options: Any) -> Any:
        if host != NAME:
            return usual(host, port, *args, **options)
        if not found:
            raise socket.gaierror("unknown")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(names.socket, "getaddrinfo", look_up)
    return found


Addresses = Callable[[tuple[Takes, Takes]], Any]
BY_LIST: Addresses = lambda pair: [f"{host}:{fake.port}" for host, fake in zip(HOSTS, pair, strict=True)]  # noqa: E731
BY_NAME: Addresses = lambda pair: f"dns:///{NAME}:{pair[0].port}"  # noqa: E731


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("addresses", [BY_LIST, BY_NAME], ids=["list", "name"])
def test_each_server_gets_half_of_the_studies_and_all_of_a_study(
    pair: tuple[Takes, Takes], resolver: list[str], study: Study, addresses: Addresses, threads: int
) -> None:
    with VcfClient(addresses(pair), transport="crop") as client:
        assert all(outcome.findings for outcome in client.analyze_many([study] * 12, concurrency=threads))
    for fake in pair:
        assert fake.asked()[VCF_CROP.name] == fake.asked()[VCF_SCOUT.name]
        assert 0.4 * 12 <= fake.asked()[VCF_CROP.name] <= 0.6 * 12


def test_an_event_loop_shares_alike(pair: tuple[Takes, Takes], resolver: list[str], study: Study) -> None:
    async def eight() -> None:
        async with AsyncVcfClient(BY_NAME(pair), transport="auto") as client:
            await asyncio.gather(*(client.analyze(study) for _ in range(8)))

    asyncio.run(eight())
    assert [fake.asked()[VCF_CROP.name] for fake in pair] == [4, 4]


def test_new_addresses_of_a_name_get_studies_and_old_ones_none(
    pair: tuple[Takes, Takes], resolver: list[str], study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "FRESH_S", 0.0)
    resolver[:] = HOSTS[:1]
    with VcfClient(BY_NAME(pair), transport="volume") as client:
        client.analyze(study)
        resolver[:] = HOSTS[1:]
        client.analyze(study)
        resolver.clear()  # a name server that is gone for a moment
        client.analyze(study)
    assert [len(fake.requests) for fake in pair] == [1, 2]


def test_a_study_learns_what_another_one_has_looked_up(
    pair: tuple[Takes, Takes], resolver: list[str], study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its server drains, and the name means another by now: a second thread of the client has just asked for it."""
    monkeypatch.setattr(names, "FRESH_S", 0.0)
    resolver[:] = HOSTS[:1]
    with VcfClient(BY_NAME(pair), transport="volume", retry=QUICK) as client:

        def drained(request: Any, context: grpc.ServicerContext) -> Any:
            resolver[:] = HOSTS[1:]
            assert client.is_ready()
            context.abort(*GONE["drained"])

        pair[0].reply = drained
        assert client.analyze(study).study_score == 0.75
    assert [len(fake.requests) for fake in pair] == [1, 1]


def test_name_without_an_address(resolver: list[str], study: Study) -> None:
    resolver.clear()
    with (
        VcfClient(f"dns:///{NAME}:8001", retry=QUICK) as client,
        pytest.raises(ServerUnavailable, match=rf"{NAME}:8001 \(the name has no address"),
    ):
        client.analyze(study)


GONE = {
    "stopping": (grpc.StatusCode.UNAVAILABLE, "Server is stopping, scheduler for model has stopped accepting new"),
    "drained": (grpc.StatusCode.NOT_FOUND, "Request for unknown model: 'vcf_crop' is not found"),
    "no version": (grpc.StatusCode.UNAVAILABLE, "Request for unknown model: 'vcf_crop' has no available versions"),
    "broken": (grpc.StatusCode.UNAVAILABLE, "Socket closed"),
    "dead process": (grpc.StatusCode.INTERNAL, "Stub process 'spine_patches_0' is not healthy."),
}


@pytest.mark.parametrize("why", GONE)
@pytest.mark.parametrize("transport", ["crop", "volume"])
def test_study_goes_elsewhere_at_once_and_the_server_is_left_out(
    pair: tuple[Takes, Takes], study: Study, monkeypatch: pytest.MonkeyPatch, why: str, transport: str
) -> None:
    """Without a pause, without an error, and the second study does not even ask it."""
    monkeypatch.setattr(Retry, "pause_s", lambda self, failed, after_s=None: pytest.fail("there was a pause"))
    good = pair[0].reply
    pair[0].reply = lambda request, context: (
        good(request, context) if request.model_name == VCF_SCOUT.name else context.abort(*GONE[why])
    )
    with VcfClient(BY_LIST(pair), transport=transport, retry=NO_RETRY) as client:
        for _ in range(4):
            assert client.analyze(study).study_score == 0.75
    assert sum(count for name, count in pair[0].asked().items() if name != VCF_SCOUT.name) == 1


def test_no_study_is_lost_while_servers_stop_in_turn(answer: dict[str, Any], study: Study) -> None:
    """One is always there; the other hangs up in the middle of what it does."""
    fakes = Takes(lambda *_: as_message(answer)), Takes(lambda *_: as_message(answer))
    servers = [serve(fakes[0], HOSTS[0])]
    servers.append(serve(fakes[1], HOSTS[1], fakes[0].port))
    done = threading.Event()
    failed: list[Any] = []

    def stop_in_turn() -> None:
        for number in (0, 1, 0, 1):
            servers[number].stop(None).wait()
            servers[number] = serve(fakes[number], HOSTS[number], fakes[0].port)
            done.wait(0.3)
        done.set()

    with VcfClient(BY_LIST(fakes), retry=Retry(attempts=8, first_s=0.1, longest_s=0.5)) as client:
        stopper = threading.Thread(target=stop_in_turn)
        stopper.start()
        while not done.is_set():
            failed += [outcome.error for outcome in client.analyze_many([study] * 8, concurrency=4) if outcome.error]
        stopper.join()
    for server in servers:
        server.stop(None).wait()
    assert failed == []
