# SPDX-License-Identifier: Apache-2.0
"""Addresses of servers, checked before any is called: gRPC takes whatever it is given and adds a port of its own."""

import re

from vcf_client.names import PREFIX

_HOST_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+(?:%[\w.-]+)?\]|[^\s:/\[\]]+):(\d{1,5})", re.ASCII)
_LEFT_TO_GRPC = ("dns:", "ipv4:", "ipv6:", "unix:", "unix-abstract:", "xds:")
"""Schemes of gRPC's own (its naming document); ``dns:///`` alone is looked up by this client."""
_MAX_PORT = 65535


def checked(address: str) -> str:
    """Return the address of a server's gRPC endpoint as it is.

    address
        ``host:port``, ``[IPv6 address]:port``, ``dns:///name:port``, or another target of gRPC with its scheme.

    Raises
    ------
    ValueError
        If it is none of these; the sentence says what is accepted.
    """
    if not address.startswith(PREFIX) and address.startswith(_LEFT_TO_GRPC):
        return address
    found = _HOST_PORT.fullmatch(address.removeprefix(PREFIX))
    if found and 1 <= int(found[2]) <= _MAX_PORT:
        return address
    raise ValueError(
        f"{address!r} is no address of a gRPC endpoint; HOST:PORT is accepted, such as 127.0.0.1:8001, "
        "and dns:///NAME:PORT, without http://"
    )
