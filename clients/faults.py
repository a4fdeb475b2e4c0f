# SPDX-License-Identifier: Apache-2.0
"""A failed gRPC call as the error that a user gets, and what may be done about it.

gRPC gives the status UNAVAILABLE to nearly all that goes wrong before a request is worked on, and to a connection that
breaks afterwards. Only the text tells them apart; the texts here are those of gRPC's C core and of Triton.
"""

import re
from enum import Enum, auto

import grpc

from clients.security import Security
from vcf.errors import (
    AccessDenied,
    DeadlineExceeded,
    NotTrusted,
    Overloaded,
    ServerFailed,
    ServerUnavailable,
    StudyRefused,
    VcfError,
)


class Remedy(Enum):
    """What may be done with a request after a fault; ``NONE`` too where the server may have begun to work on it."""

    NONE = auto()
    ELSEWHERE = auto()
    """Another server may take it; this one will say the same again."""
    AGAIN = auto()
    """Any server may take it, this one too after a pause."""


class Fault(Exception):
    """A call failed.

    error
        What the user gets if nothing helps.
    down
        Whether the server itself seems to be gone, so that other requests had better go elsewhere.
    """

    def __init__(self, error: VcfError, remedy: Remedy = Remedy.NONE, *, down: bool = False) -> None:
        super().__init__(str(error))
        self.error = error
        self.remedy = remedy
        self.down = down


_NO_CONNECTION = re.compile(
    "failed to connect to all addresses|connections to all backends failing|errors resolving|DNS resolution failed"
    "|empty address list",
    re.IGNORECASE,
)
"""Nothing was sent: gRPC has no connection to send it on."""
_BAD_CERTIFICATE = re.compile("handshake failed|certificate|hostname verification|security handshaker", re.IGNORECASE)
_HUNG_UP = re.compile("socket closed|connection reset|broken pipe|handshake read failed|EOF", re.IGNORECASE)
_QUEUE_FULL = re.compile("exceeds maximum queue size", re.IGNORECASE)
_WAITED_TOO_LONG = re.compile("request timeout expired", re.IGNORECASE)
"""Triton's words (UNAVAILABLE) for a request that stayed in a queue for longer than its timeout."""
_TOO_LARGE = re.compile("larger than max", re.IGNORECASE)
"""A message beyond a limit of its receiver, for which gRPC has the same status as for a lack of room."""
_RESTRICTED = re.compile("protocol is restricted", re.IGNORECASE)
_NOT_READY = re.compile("not ready|no available versions|server is (stopping|exiting)|not found|unknown model", re.I)


def fault(error: grpc.RpcError, address: str, waited_s: float, security: Security) -> Fault:
    """What a failed call means.

    Parameters
    ----------
    waited_s
        The time that the call had.
    security
        Of the channel.
    """
    status = error.code()
    details = " ".join((error.details() or "no details").split())
    if refused := StudyRefused.find(details):
        return Fault(refused)
    if f"{DeadlineExceeded.CODE}: " in details or _WAITED_TOO_LONG.search(details):  # the server ended its work
        return Fault(late(address, waited_s))
    if status is grpc.StatusCode.DEADLINE_EXCEEDED:
        return Fault(late(address, waited_s), down=True)
    exhausted = status is grpc.StatusCode.RESOURCE_EXHAUSTED and not _TOO_LARGE.search(details)
    if exhausted or _QUEUE_FULL.search(details):
        return Fault(Overloaded(f"the server at {address} has no room for another study ({details})"), Remedy.AGAIN)
    if _RESTRICTED.search(details) or status in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED):
        sent = "the API key that was sent" if security.api_key else "requests without an API key"
        return Fault(AccessDenied(f"the server at {address} does not take {sent}"), Remedy.ELSEWHERE)
    if status is not grpc.StatusCode.UNAVAILABLE:
        return Fault(ServerFailed(f"the server at {address} failed with {status.name}: {details}"))
    if _NO_CONNECTION.search(details):
        return _unconnected(details, address, security)
    missing = ServerUnavailable(f"no Triton server takes studies at {address} ({details})")
    if _NOT_READY.search(details):
        return Fault(missing, Remedy.AGAIN)
    return Fault(missing, down=True)


def late(address: str, waited_s: float) -> DeadlineExceeded:
    """No answer in time."""
    return DeadlineExceeded(f"no answer from {address} within {waited_s:.3g} s")


def _unconnected(details: str, address: str, security: Security) -> Fault:
    if security.tls and _BAD_CERTIFICATE.search(details):
        reason = details.rpartition("OPENSSL_internal:")[2] if "OPENSSL_internal:" in details else details
        return Fault(
            NotTrusted(f"the certificate of the server at {address} is not accepted ({reason.removesuffix(': OK')})"),
            Remedy.ELSEWHERE,
            down=True,
        )
    if _HUNG_UP.search(details):  # also what a server that is just stopping does
        if security.tls:
            which = "the client certificate" if security.certificate else "a connection without a client certificate"
            gone: VcfError = NotTrusted(f"the server at {address} does not accept {which} ({details})")
        else:
            gone = ServerUnavailable(f"the server at {address} hangs up; it may expect TLS ({details})")
        return Fault(gone, Remedy.AGAIN, down=True)
    return Fault(ServerUnavailable(f"no Triton server takes studies at {address} ({details})"), Remedy.AGAIN, down=True)
