# SPDX-License-Identifier: Apache-2.0
"""DNS names behind which there are several servers: looked up here, so that a study stays with one of them.

gRPC's own round robin moves on with every call. A study is two calls or three, and with two servers one of them would
then get all the small ones and the other all the work.
"""

import socket
import time

PREFIX = "dns:///"
FRESH_S = 10.0
"""How long the addresses of a name count as known: new servers get studies after so long."""
LEAST_S = 1.0
"""The same after a failure, when a server may have moved."""


class Name:
    """The addresses of ``dns:///host:port``, as the system's resolver gives them.

    target
        As it was given.
    authority
        ``host:port``.
    """

    def __init__(self, target: str) -> None:
        self.target = target
        self.authority = target.removeprefix(PREFIX)
        host, _, port = self.authority.rpartition(":")
        self._host, self._port = host.strip("[]"), port
        self._looked_up = float("-inf")
        self._doubted = False

    @classmethod
    def is_one(cls, target: str) -> bool:
        """Tell whether a target of gRPC is a name to be looked up; one with a DNS server of its own is left to gRPC."""
        host, colon, port = target.removeprefix(PREFIX).rpartition(":")
        return target.startswith(PREFIX) and bool(host and colon) and port.isdecimal()

    @property
    def is_due(self) -> bool:
        """Tell whether to look the name up again."""
        return time.monotonic() - self._looked_up >= (LEAST_S if self._doubted else FRESH_S)

    def doubt(self) -> None:
        """Note that a server failed: the name may mean others by now."""
        self._doubted = True

    def look_up(self) -> list[str]:
        """``address:port`` of each server, in a fixed order; none where the name is unknown."""
        self._looked_up, self._doubted = time.monotonic(), False
        try:
            found = socket.getaddrinfo(self._host, int(self._port), type=socket.SOCK_STREAM)
        except (OSError, OverflowError, UnicodeError):
            self._doubted = True
            return []
        addresses = {str(sockaddr[0]): family for family, _, _, _, sockaddr in found}
        return sorted(
            f"[{address}]:{self._port}" if family == socket.AF_INET6 else f"{address}:{self._port}"
            for address, family in addresses.items()
        )
