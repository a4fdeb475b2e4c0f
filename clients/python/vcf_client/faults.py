# SPDX-License-Identifier: Apache-2.0
"""A failed gRPC call as the error that a user gets, and what may be done about it.

gRPC gives the status UNAVAILABLE to nearly all that goes wrong before a request is worked on, and to a connection that
breaks afterwards. Only the text tells them apart: Triton's words are in `vcf_contract.statuses`, those of gRPC's C core
are here.
"""

import re
from enum import Enum

import grpc

from vcf_client.security import Security
from vcf_contract import statuses
from vcf_contract.contract import MEMBER_MODELS, REMAKE
from vcf_contract.errors import (
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
    """Tell what may be done with a request after a fault. An analysis changes nothing on a server, so that it may be
    sent again even where the first server may have begun to work on it."""

    NONE = statuses.NEVER
    ELSEWHERE = statuses.ELSEWHERE
    """Another server may take it; this one will say the same again."""
    AGAIN = statuses.AGAIN
    """Any server may take it, this one too after a pause."""


class Fault(Exception):
    """A call failed.

    error
        What the user gets if nothing helps.
    down
        Whether the server itself seems to be gone, so that other requests had better go elsewhere.
    after_s
        When a server that is full expects to have room, if it says so.
    """

    def __init__(
        self, error: VcfError, remedy: Remedy = Remedy.NONE, *, down: bool = False, after_s: float | None = None
    ) -> None:
        super().__init__(str(error))
        self.error = error
        self.remedy = remedy
        self.down = down
        self.after_s = after_s


_NO_CONNECTION = re.compile(
    "failed to connect to all addresses|connections to all backends failing|errors resolving|DNS resolution failed"
    "|empty address list",
    re.IGNORECASE,
)
"""Nothing was sent: gRPC has no connection to send it on."""
_PLAIN = ("Connection refused", "No route to host", "Network is unreachable", "Connection timed out")
"""Whole reasons in the operating system's words."""
_BAD_CERTIFICATE = re.compile("handshake failed|certificate|hostname verification|security handshaker", re.IGNORECASE)
_HUNG_UP = re.compile("socket closed|connection reset|broken pipe|handshake read failed|EOF", re.IGNORECASE)


def fault(error: grpc.RpcError, address: str, waited_s: float, security: Security) -> Fault:
    """Tell what a failed call means.

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
    rule = statuses.rule(status.name, details)
    remedy = Remedy(rule.retry)
    if rule.error == DeadlineExceeded.code:
        return Fault(late(address, waited_s), down=bool(rule.statuses))
    if rule.error == Overloaded.code:
        if full := Overloaded.find(details):
            sentence = f"the server at {address} has no room: {full}"
            return Fault(Overloaded(sentence, full.after_s), remedy, after_s=full.after_s)
        return Fault(Overloaded(f"the server at {address} has no room for another study ({details})"), remedy)
    if rule.error == AccessDenied.code:
        sent = "the API key that was sent" if security.api_key else "requests without an API key"
        return Fault(AccessDenied(f"the server at {address} does not take {sent}"), remedy)
    if rule.error == ServerFailed.code:
        failed = ServerFailed(f"the server at {address} failed with {status.name}: {details}")
        return Fault(failed, remedy, down=remedy is Remedy.ELSEWHERE)
    if MEMBER_MODELS.search(details):
        gone = ServerUnavailable(f"the server at {address} cannot serve its model repository, {REMAKE}")
        return Fault(gone, remedy, down=True)
    if status is grpc.StatusCode.UNAVAILABLE and _NO_CONNECTION.search(details):
        return _unconnected(details, address, security)
    return Fault(ServerUnavailable(f"no Triton server takes studies at {address} ({details})"), remedy, down=True)


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
            gone = ServerUnavailable(
                f"the server at {address} hangs up: it may expect TLS, or this is not its gRPC port (8001 by default) "
                f"({details})"
            )
        return Fault(gone, Remedy.AGAIN, down=True)
    gone = ServerUnavailable(f"no Triton server takes studies at {address} ({_plain(details)})")
    return Fault(gone, Remedy.AGAIN, down=True)


def _plain(details: str) -> str:
    """Tell why there is no connection without what gRPC says about its own parts."""
    reason = details.rpartition("last error: ")[2].rpartition("remote host: ")[2]
    return reason.lower() if reason in _PLAIN else details
