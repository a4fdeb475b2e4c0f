# SPDX-License-Identifier: Apache-2.0
"""Servers that are down, full, slow, gone, or not to be trusted: the same error from both clients, in time."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from tritonclient.grpc import service_pb2_grpc

from tests.clients.certificates import Certificates
from tests.clients.conftest import FakeTriton
from vcf_client import ApiKey, AsyncVcfClient, Findings, Retry, Security, Study, VcfClient, servers
from vcf_client.retry import NO_RETRY
from vcf_contract.errors import (
    AccessDenied,
    DeadlineExceeded,
    NotTrusted,
    Overloaded,
    ServerFailed,
    ServerUnavailable,
    StudyRefused,
)

Analyze = Callable[..., Findings]
QUICK = Retry(attempts=4, first_s=0.01, longest_s=0.02)


@pytest.fixture(params=["sync", "async"])
def analyze(request: pytest.FixtureRequest, study: Study) -> Analyze:
    """One study by a client that is made for it."""

    def blocking(address: Any, **options: Any) -> Findings:
        with VcfClient(address, **options) as client:
            return client.analyze(study)

    async def waiting(address: Any, **options: Any) -> Findings:
        async with AsyncVcfClient(address, **options) as client:
            return await client.analyze(study)

    return blocking if request.param == "sync" else lambda *args, **options: asyncio.run(waiting(*args, **options))


def serve(fake: FakeTriton, port: int = 0, credentials: Any = None) -> grpc.Server:
    server = grpc.server(
        ThreadPoolExecutor(2), options=[("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0)]
    )
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(fake, server)
    address = f"127.0.0.1:{port}"
    fake.port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    server.start()
    return server


def abort(code: grpc.StatusCode, details: str, times: int = 10**9) -> Callable[[Any], Any]:
    """A reply that fails some times, then is as before."""
    left = [times]

    def around(good: Any) -> Any:
        def reply(request: Any, context: grpc.ServicerContext) -> Any:
            left[0] -= 1
            if left[0] >= 0:
                context.abort(code, details)
            return good(request, context)

        return reply

    return around


FULL = (grpc.StatusCode.UNAVAILABLE, "in ensemble 'vcf', Exceeds maximum queue size")


@pytest.fixture
def closed_port() -> Iterator[int]:
    with socket.socket() as held:  # bound, but nothing listens
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])


@pytest.mark.parametrize(
    ("status", "expected", "requests"),
    [
        (FULL, Overloaded, 4),
        ((grpc.StatusCode.RESOURCE_EXHAUSTED, "too many requests"), Overloaded, 4),
        ((grpc.StatusCode.UNAVAILABLE, "Model 'vcf' is not ready"), ServerUnavailable, 4),
        ((grpc.StatusCode.UNAVAILABLE, "Socket closed"), ServerUnavailable, 4),
        ((grpc.StatusCode.NOT_FOUND, "Request for unknown model: 'vcf' is not found"), ServerUnavailable, 4),
        ((grpc.StatusCode.UNAVAILABLE, "Server is stopping, scheduler for model has stopped"), ServerUnavailable, 4),
        ((grpc.StatusCode.CANCELLED, "CANCELLED"), ServerUnavailable, 4),
        ((grpc.StatusCode.CANCELLED, "DEADLINE_EXCEEDED: late"), DeadlineExceeded, 1),
        ((grpc.StatusCode.INTERNAL, "Received RST_STREAM with error code 2"), ServerUnavailable, 4),
        ((grpc.StatusCode.RESOURCE_EXHAUSTED, "Received message larger than max (5 vs. 4)"), ServerFailed, 1),
        ((grpc.StatusCode.UNAVAILABLE, "This protocol is restricted, expecting header 'x'"), AccessDenied, 1),
        ((grpc.StatusCode.UNAUTHENTICATED, "no"), AccessDenied, 1),
        ((grpc.StatusCode.INTERNAL, "Stub process 'x' is not healthy"), ServerFailed, 1),
        ((grpc.StatusCode.INTERNAL, "model 'patch_encoder' failed"), ServerFailed, 1),
        ((grpc.StatusCode.DEADLINE_EXCEEDED, "late"), DeadlineExceeded, 1),
        ((grpc.StatusCode.UNAVAILABLE, "Request timeout expired"), DeadlineExceeded, 1),
        ((grpc.StatusCode.INVALID_ARGUMENT, "SPINE_NOT_FOUND: no canal"), StudyRefused, 1),
    ],
)
def test_error_is_typed_and_sent_again_only_where_that_is_safe(
    fake_triton: FakeTriton, analyze: Analyze, status: Any, expected: type, requests: int
) -> None:
    fake_triton.reply = abort(*status)(fake_triton.reply)
    with pytest.raises(expected) as error:
        analyze(fake_triton.address, retry=QUICK)
    assert type(error.value) is expected
    assert len(fake_triton.requests) == requests


@pytest.mark.parametrize(
    "details",
    [
        "in ensemble 'vcf', Request for unknown model: 'patch_encoder_a' is not found",
        "in ensemble 'vcf_crop', model sequence_head_c is not ready",
    ],
)
@pytest.mark.parametrize("status", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL, grpc.StatusCode.NOT_FOUND])
def test_server_with_a_model_for_each_member_is_told_apart(
    fake_triton: FakeTriton, analyze: Analyze, status: Any, details: str
) -> None:
    """Its repository has to be made anew; to ask again would not help."""
    fake_triton.reply = abort(status, details)(fake_triton.reply)
    with pytest.raises(ServerUnavailable) as error:
        analyze(fake_triton.address, retry=QUICK)
    assert str(error.value).endswith(
        f"the server at {fake_triton.address} cannot serve its model repository, it has a model for each member, from "
        "before one model held them all: make it anew with `vcf export all`"
    )
    assert len(fake_triton.requests) == 1


def test_errors_carry_their_codes() -> None:
    kinds = (ServerUnavailable, Overloaded, NotTrusted, AccessDenied, ServerFailed, DeadlineExceeded)
    assert [kind.code for kind in kinds] == [
        "SERVER_UNAVAILABLE",
        "OVERLOADED",
        "NOT_TRUSTED",
        "ACCESS_DENIED",
        "SERVER_FAILED",
        "DEADLINE_EXCEEDED",
    ]


def test_queue_that_empties_gets_the_study(fake_triton: FakeTriton, analyze: Analyze) -> None:
    fake_triton.reply = abort(*FULL, times=2)(fake_triton.reply)
    assert analyze(fake_triton.address, retry=QUICK).study_score == 0.75
    first, _, third = fake_triton.requests
    assert len({request.id for request in fake_triton.requests}) == 3
    assert third.parameters["timeout"].int64_param < first.parameters["timeout"].int64_param


def test_without_retries_there_are_none(fake_triton: FakeTriton, analyze: Analyze) -> None:
    fake_triton.reply = abort(*FULL)(fake_triton.reply)
    with pytest.raises(Overloaded):
        analyze(fake_triton.address, retry=NO_RETRY)
    assert len(fake_triton.requests) == 1


def test_retries_end_within_the_deadline(closed_port: int, analyze: Analyze, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long before all attempts are made, which would take most of a minute; and with the cause, not as late."""
    pauses: list[int] = []
    pause_s = Retry.pause_s
    monkeypatch.setattr(Retry, "pause_s", lambda self, *failed: (pauses.append(failed[0]), pause_s(self, *failed))[1])
    with pytest.raises(ServerUnavailable, match=str(closed_port)):
        analyze(f"127.0.0.1:{closed_port}", deadline_s=1, retry=Retry(attempts=1000, first_s=0.05, longest_s=0.1))
    assert 0 < len(pauses) < 999


def test_late_answer_is_not_asked_for_again(fake_triton: FakeTriton, analyze: Analyze) -> None:
    release = threading.Event()
    fake_triton.reply = lambda request, context: release.wait(120)
    with pytest.raises(DeadlineExceeded, match=r"within 0\.4 s"):
        analyze(fake_triton.address, deadline_s=0.4, retry=QUICK)
    release.set()
    assert len(fake_triton.requests) == 1


def test_server_that_comes_back_gets_the_study(
    fake_triton: FakeTriton, analyze: Analyze, closed_port_again: int
) -> None:
    """Nothing listens at first; a server starts at that port while the client retries."""
    late = FakeTriton(fake_triton.reply)
    started: list[grpc.Server] = []
    timer = threading.Timer(0.8, lambda: started.append(serve(late, closed_port_again)))
    timer.start()
    found = analyze(f"127.0.0.1:{closed_port_again}", retry=Retry(attempts=100, first_s=0.1, longest_s=0.2))
    assert found.study_score == 0.75 and len(late.requests) == 1
    started[0].stop(None).wait()


@pytest.fixture
def closed_port_again() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def test_pauses_grow_and_are_random_from_nothing_up() -> None:
    retry = Retry(attempts=9, first_s=0.5, longest_s=4)
    for failed, longest in ((1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0), (5, 4.0), (2000, 4.0)):
        pauses = [retry.pause_s(failed) for _ in range(2000)]
        assert 0 <= min(pauses) < 0.02 * longest and 0.98 * longest < max(pauses) <= longest
        assert sum(pauses) / 2000 == pytest.approx(longest / 2, rel=0.1)


@pytest.mark.parametrize("wrong", [{"attempts": 0}, {"first_s": 0}, {"first_s": 9}, {"longest_s": float("inf")}])
def test_retry_that_makes_no_sense(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Retry(**wrong)


# Admission


def full(fake: FakeTriton, times: int = 10**9) -> list[str]:
    """Have no room for so many questions; their ids, and those of the questions after them."""
    good, left, ids = fake.admit, [times], []

    def admit(request: Any, context: grpc.ServicerContext) -> Any:
        left[0] -= 1
        ids.append(request.id)
        if left[0] >= 0 and not request.raw_input_contents[0].endswith(b"leave"):
            context.abort(grpc.StatusCode.UNAVAILABLE, str(Overloaded.full(16, 0.2)))
        return good(request, context)

    fake.admit = admit  # type: ignore[method-assign]
    return ids


def test_room_is_asked_for_before_anything_is_sent(fake_triton: FakeTriton, analyze: Analyze) -> None:
    full(fake_triton)
    with pytest.raises(Overloaded, match=r"no room: OVERLOADED: 16 studies .* in about 0\.2 s") as error:
        analyze(fake_triton.address, retry=NO_RETRY)
    assert error.value.after_s == 0.2
    assert fake_triton.requests == [] and [word for _, word in fake_triton.admission] == ["routine"]


def test_study_comes_again_when_the_server_says(
    fake_triton: FakeTriton, analyze: Analyze, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float | None] = []
    monkeypatch.setattr(Retry, "pause_s", lambda self, failed, after_s=None: pauses.append(after_s) or 0.0)
    ids = full(fake_triton, times=2)
    assert analyze(fake_triton.address).study_score == 0.75
    assert pauses == [0.2, 0.2]
    assert len(ids) == 3 and len(set(ids)) == 1, "by its id the server knows who has asked before"
    assert analyze(fake_triton.address).study_score == 0.75
    assert len(set(ids)) == 2


def test_a_server_that_says_when_is_asked_until_the_deadline(
    fake_triton: FakeTriton, analyze: Analyze, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Retry, "pause_s", lambda self, failed, after_s=None: 0.0)
    full(fake_triton, times=20)
    assert analyze(fake_triton.address, retry=Retry(attempts=2)).study_score == 0.75
    full(fake_triton)
    with pytest.raises(Overloaded):
        analyze(fake_triton.address, retry=Retry(attempts=2), deadline_s=0.5)


def test_pause_is_about_what_a_full_server_asks_for() -> None:
    pauses = [Retry(first_s=0.01, longest_s=5).pause_s(1, after_s=2.0) for _ in range(500)]
    assert min(pauses) >= 1 and max(pauses) <= 3 and max(pauses) - min(pauses) > 1
    assert Retry(first_s=0.01, longest_s=0.02).pause_s(1, after_s=60.0) <= 0.02


def test_requests_of_a_study_bear_the_id_that_was_admitted_and_its_priority(
    fake_triton: FakeTriton, analyze: Analyze
) -> None:
    analyze(fake_triton.address, priority="urgent")
    ((admitted, word),) = fake_triton.admission
    assert word == "urgent"
    assert [(r.id, r.parameters["priority"].int64_param) for r in fake_triton.requests] == [(admitted, 1)]


def test_server_without_admission_takes_studies(fake_triton: FakeTriton, analyze: Analyze) -> None:
    unknown = "Request for unknown model: 'admission' is not found"
    fake_triton.admit = lambda request, context: context.abort(  # type: ignore[method-assign]
        grpc.StatusCode.NOT_FOUND, unknown
    )
    assert analyze(fake_triton.address, retry=NO_RETRY).study_score == 0.75


def test_server_is_told_of_a_study_that_is_given_up(fake_triton: FakeTriton, study: Study) -> None:
    """Its deadline has passed, or the task that waits for it is cancelled."""
    began, release, left = threading.Event(), threading.Event(), threading.Event()
    good = fake_triton.admit

    def reply(request: Any, context: grpc.ServicerContext) -> None:
        began.set()
        release.wait(120)

    def admit(request: Any, context: grpc.ServicerContext) -> Any:
        if request.raw_input_contents[0].endswith(b"leave"):
            left.set()
        return good(request, context)

    fake_triton.reply, fake_triton.admit = reply, admit  # type: ignore[method-assign]

    async def cancelled() -> None:
        async with AsyncVcfClient(fake_triton.address) as client:
            task = asyncio.create_task(client.analyze(study))
            await asyncio.to_thread(began.wait, 20)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await asyncio.to_thread(left.wait, 20)

    asyncio.run(cancelled())
    left.clear()
    with VcfClient(fake_triton.address, deadline_s=0.5) as client:
        with pytest.raises(DeadlineExceeded):
            client.analyze(study)
        release.set()
        assert left.wait(120)
    ids = [request_id for request_id, _ in fake_triton.admission]
    assert [word for _, word in fake_triton.admission] == ["routine", "leave"] * 2
    assert ids[0] == ids[1] != ids[2] == ids[3]


@pytest.mark.parametrize("where", ["client", "study"])
def test_priority_that_is_none(study: Study, where: str) -> None:
    with pytest.raises(ValueError, match="priority is 'soon'; routine and urgent are accepted"):
        if where == "client":
            VcfClient(priority="soon")
        else:
            with VcfClient() as client:
                client.analyze(study, priority="soon")


# Several servers


@pytest.fixture
def pair(fake_triton: FakeTriton) -> Iterator[tuple[FakeTriton, FakeTriton]]:
    second = FakeTriton(fake_triton.reply)
    server = serve(second)
    yield fake_triton, second
    server.stop(None).wait()


def test_servers_take_turns(pair: tuple[FakeTriton, FakeTriton], study: Study) -> None:
    with VcfClient([fake.address for fake in pair], transport="volume") as client:
        for _ in range(6):
            client.analyze(study)
    assert [len(fake.requests) for fake in pair] == [3, 3]


def test_full_server_hands_on_without_a_pause(
    pair: tuple[FakeTriton, FakeTriton], analyze: Analyze, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Retry, "pause_s", lambda self, failed, after_s=None: pytest.fail("there was a pause"))
    pair[0].reply = abort(*FULL)(pair[0].reply)
    assert analyze([fake.address for fake in pair], transport="volume").study_score == 0.75
    assert len(pair[1].requests) == 1


def test_dead_server_is_left_out_and_comes_back(
    fake_triton: FakeTriton, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "EJECT_S", 0.3)
    second = FakeTriton(fake_triton.reply)
    server = serve(second)
    with VcfClient([fake_triton.address, second.address], transport="volume", retry=NO_RETRY) as client:
        for _ in range(4):
            client.analyze(study)
        server.stop(None).wait()
        for _ in range(4):
            client.analyze(study)
        assert (len(fake_triton.requests), len(second.requests)) == (6, 2)
        server = serve(second, second.port)
        until = time.monotonic() + 10
        while len(second.requests) < 4 and time.monotonic() < until:
            client.analyze(study)
            time.sleep(0.05)
    assert len(second.requests) >= 4
    server.stop(None).wait()


def test_server_that_swallows_everything_does_not_take_studies(fake_triton: FakeTriton, analyze: Analyze) -> None:
    """It accepts connections and never says a word, like a machine behind a firewall that drops packets."""
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen()
        silent = f"127.0.0.1:{hole.getsockname()[1]}"
        found = analyze([silent, fake_triton.address], transport="volume", deadline_s=10, retry=NO_RETRY)
    assert found.study_score == 0.75


def test_servers_that_all_keep_silent_are_unavailable(analyze: Analyze) -> None:
    with socket.socket() as one, socket.socket() as other:
        for hole in (one, other):
            hole.bind(("127.0.0.1", 0))
            hole.listen()
        silent = [f"127.0.0.1:{hole.getsockname()[1]}" for hole in (one, other)]
        with pytest.raises(ServerUnavailable, match="does not say"):
            analyze(silent, transport="volume", deadline_s=10, retry=NO_RETRY)


def test_all_servers_down(closed_port: int, analyze: Analyze) -> None:
    with pytest.raises(ServerUnavailable):
        analyze([f"127.0.0.1:{closed_port}", "127.0.0.1:1"], retry=QUICK)


def test_name_that_does_not_exist(analyze: Analyze) -> None:
    with pytest.raises(ServerUnavailable, match=r"no\.such\.host\.invalid"):
        analyze("dns:///no.such.host.invalid:8001", retry=NO_RETRY, deadline_s=20)


def test_name_is_resolved(fake_triton: FakeTriton, analyze: Analyze) -> None:
    assert analyze(f"dns:///localhost:{fake_triton.port}").study_score == 0.75


@pytest.mark.parametrize("address", [[], "", ["a:1", ""], ["a:1", "a:1"]])
def test_addresses_that_make_no_sense(address: Any) -> None:
    with pytest.raises(ValueError, match="address"):
        VcfClient(address)


# TLS


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(params=[False, True], ids=["tls", "mutual"])
def secure(fake_triton: FakeTriton, certificates: Certificates, request: pytest.FixtureRequest) -> Iterator[str]:
    own = certificates.path("ours-server-key").read_bytes(), certificates.path("ours-server").read_bytes()
    ca = certificates.path("ours-ca").read_bytes()
    fake = FakeTriton(fake_triton.reply)
    server = serve(fake, credentials=grpc.ssl_server_credentials([own], ca if request.param else None, request.param))
    yield fake.address
    server.stop(None).wait()


def test_certificates_that_fit(secure: str, certificates: Certificates, analyze: Analyze) -> None:
    assert analyze(secure, security=certificates.security(client="ours")).study_score == 0.75


def test_server_of_a_stranger_is_not_trusted_and_not_asked_again(
    secure: str, certificates: Certificates, analyze: Analyze, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Retry, "pause_s", lambda self, failed, after_s=None: pytest.fail("there was a pause"))
    with pytest.raises(NotTrusted, match=r"certificate of the server .* is not accepted"):
        analyze(secure, security=certificates.security(ca="strangers", client="ours"))


def test_certificate_for_another_name_is_not_trusted(
    fake_triton: FakeTriton, certificates: Certificates, analyze: Analyze
) -> None:
    own = certificates.path("strangers-server-key").read_bytes(), certificates.path("strangers-server").read_bytes()
    server = serve(fake := FakeTriton(fake_triton.reply), credentials=grpc.ssl_server_credentials([own]))
    with pytest.raises(NotTrusted, match="Hostname"):
        analyze(fake.address, security=certificates.security(ca="strangers"))
    server.stop(None).wait()


@pytest.mark.parametrize("secure", [True], indirect=True, ids=["mutual"])
@pytest.mark.parametrize("client", [None, "strangers"])
def test_client_certificate_is_asked_for(
    secure: str, certificates: Certificates, analyze: Analyze, client: str | None
) -> None:
    with pytest.raises(NotTrusted, match="client certificate"):
        analyze(secure, security=certificates.security(client=client), retry=QUICK)


def test_plain_client_of_a_secure_server(secure: str, analyze: Analyze) -> None:
    with pytest.raises(ServerUnavailable, match="may expect TLS"):
        analyze(secure, retry=QUICK)


def test_secure_client_of_a_plain_server(fake_triton: FakeTriton, certificates: Certificates, analyze: Analyze) -> None:
    with pytest.raises(NotTrusted):
        analyze(fake_triton.address, security=certificates.security())
    assert not fake_triton.requests


def test_key_goes_with_every_request_and_is_in_no_text(fake_triton: FakeTriton, analyze: Analyze) -> None:
    seen: list[Any] = []
    good = fake_triton.reply

    def reply(request: Any, context: grpc.ServicerContext) -> Any:
        seen.append(dict(context.invocation_metadata()))
        return good(request, context)

    fake_triton.reply = reply
    security = Security(api_key=ApiKey("vcf-key", "s3cret"))
    analyze(fake_triton.address, security=security)
    assert seen[0]["triton-grpc-protocol-vcf-key"] == "s3cret"
    assert "s3cret" not in repr(security)


@pytest.mark.parametrize("address", ["192.0.2.1:8001", ["127.0.0.1:8001", "triton:8001"], "dns:///triton:8001"])
def test_key_does_not_go_in_clear_to_another_machine(address: Any) -> None:
    with pytest.raises(ValueError, match="API key"):
        VcfClient(address, security=Security(api_key=ApiKey("vcf-key", "s3cret")))


def test_keepalive_reaches_the_channel(analyze: Analyze, fake_triton: FakeTriton) -> None:
    from vcf_client.endpoint import Connection

    options = dict(Connection(keepalive_s=60).options("host:1"))
    assert options["grpc.keepalive_time_ms"] == 60_000
    assert "grpc.keepalive_time_ms" not in dict(Connection().options("host:1"))
    assert analyze(fake_triton.address, keepalive_s=60).study_score == 0.75
    with pytest.raises(ValueError, match="keepalive_s"):
        Connection(keepalive_s=0.1)
