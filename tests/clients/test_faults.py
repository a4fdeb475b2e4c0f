# SPDX-License-Identifier: Apache-2.0
"""gRPC's words for a failure as the error that a user gets, and what may be done about it."""

import grpc
import pytest

from vcf_client import ApiKey, Security
from vcf_client.faults import Fault, Remedy, fault, late
from vcf_client.security import PLAIN
from vcf_contract.errors import (
    AccessDenied,
    Code,
    DeadlineExceeded,
    NotTrusted,
    Overloaded,
    ServerFailed,
    ServerUnavailable,
    StudyRefused,
)

S = grpc.StatusCode


class Failed(grpc.RpcError):
    """A failed call, as gRPC raises it."""

    def __init__(self, status: grpc.StatusCode, details: str | None) -> None:
        super().__init__()
        self._status, self._details = status, details

    def code(self) -> grpc.StatusCode:
        return self._status

    def details(self) -> str | None:
        return self._details


def of(status: grpc.StatusCode, details: str | None, security: Security = PLAIN) -> Fault:
    return fault(Failed(status, details), "triton:8001", 2.5, security)


@pytest.mark.parametrize(
    ("status", "details", "kind", "remedy", "down"),
    [
        (S.UNAVAILABLE, "in ensemble 'vcf', Exceeds maximum queue size", Overloaded, Remedy.AGAIN, False),
        (S.RESOURCE_EXHAUSTED, "too many requests", Overloaded, Remedy.AGAIN, False),
        (S.RESOURCE_EXHAUSTED, "Received message larger than max (5 vs. 4)", ServerFailed, Remedy.NONE, False),
        (S.UNAVAILABLE, "Model 'vcf' is not ready", ServerUnavailable, Remedy.AGAIN, True),
        (S.UNAVAILABLE, "Server is stopping, scheduler not available", ServerUnavailable, Remedy.AGAIN, True),
        (
            S.UNAVAILABLE,
            "failed to connect to all addresses; last error: refused",
            ServerUnavailable,
            Remedy.AGAIN,
            True,
        ),
        (S.UNAVAILABLE, "DNS resolution failed for no.such.host:8001", ServerUnavailable, Remedy.AGAIN, True),
        (S.UNAVAILABLE, "Socket closed", ServerUnavailable, Remedy.AGAIN, True),
        (S.UNAVAILABLE, "This protocol is restricted, expecting header 'x'", AccessDenied, Remedy.ELSEWHERE, False),
        (S.UNAUTHENTICATED, "no", AccessDenied, Remedy.ELSEWHERE, False),
        (S.PERMISSION_DENIED, "no", AccessDenied, Remedy.ELSEWHERE, False),
        (S.NOT_FOUND, "model sequence_head_c is not ready", ServerUnavailable, Remedy.ELSEWHERE, True),
        (S.DEADLINE_EXCEEDED, "Deadline Exceeded", DeadlineExceeded, Remedy.NONE, True),
        (S.UNAVAILABLE, "Request timeout expired", DeadlineExceeded, Remedy.NONE, False),
        (S.INTERNAL, "DEADLINE_EXCEEDED: centre_line did not begin", DeadlineExceeded, Remedy.NONE, False),
        (S.INTERNAL, "the stub is not healthy", ServerFailed, Remedy.NONE, False),
        (S.UNIMPLEMENTED, None, ServerFailed, Remedy.NONE, False),
    ],
)
def test_what_failed_and_what_may_be_done(
    status: grpc.StatusCode, details: str | None, kind: type, remedy: Remedy, down: bool
) -> None:
    found = of(status, details)
    assert (type(found.error), found.remedy, found.down) == (kind, remedy, down)
    assert "triton:8001" in str(found.error)


def test_a_refusal_is_the_answer_whatever_the_status() -> None:
    found = of(S.INVALID_ARGUMENT, "in ensemble 'vcf', SPINE_NOT_FOUND: no canal on 9 slices")
    assert isinstance(found.error, StudyRefused) and found.error.code == Code.SPINE_NOT_FOUND
    assert found.remedy is Remedy.NONE and not found.down


@pytest.mark.parametrize(
    ("details", "sentence"),
    [
        (
            "failed to connect to all addresses; last error: Ssl handshake failed: SSL_ERROR_SSL: "
            "error:1000007d:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED: OK",
            r"certificate of the server at triton:8001 is not accepted \(CERTIFICATE_VERIFY_FAILED\)",
        ),
        (
            "failed to connect to all addresses; last error: Socket closed",
            "does not accept a connection without a client certificate",
        ),
    ],
)
def test_certificates_that_are_not_accepted(details: str, sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Security, "tls", property(lambda self: True))
    found = of(S.UNAVAILABLE, details)
    assert isinstance(found.error, NotTrusted) and found.down
    with pytest.raises(NotTrusted, match=sentence):
        raise found.error


@pytest.mark.parametrize(
    ("details", "sentence"),
    [
        (
            "failed to connect to all addresses; last error: UNKNOWN: ipv4:10.0.0.1:8001: Failed to connect to remote "
            "host: Connection refused",
            "no Triton server takes studies at triton:8001 (connection refused)",
        ),
        ("DNS resolution failed for triton:8001: no answer", "(DNS resolution failed for triton:8001: no answer)"),
    ],
)
def test_why_there_is_no_connection_is_said_without_grpcs_own_parts(details: str, sentence: str) -> None:
    assert str(of(S.UNAVAILABLE, details).error).endswith(sentence)


def test_a_server_that_hangs_up_may_expect_tls() -> None:
    found = of(S.UNAVAILABLE, "failed to connect to all addresses; last error: Connection reset by peer")
    assert "may expect TLS" in str(found.error) and found.remedy is Remedy.AGAIN


def test_an_api_key_is_never_quoted(tmp_path) -> None:
    (tmp_path / "key").write_text("vcf-key=s3cret\n")
    found = of(S.UNAUTHENTICATED, "no", Security(api_key=ApiKey.read(tmp_path / "key")))
    assert "the API key that was sent" in str(found.error) and "s3cret" not in str(found.error)
    assert "requests without an API key" in str(of(S.UNAUTHENTICATED, "no").error)


def test_a_late_answer_says_how_long_it_had() -> None:
    assert str(late("triton:8001", 0.4)) == "no answer from triton:8001 within 0.4 s"
