# SPDX-License-Identifier: Apache-2.0
"""Free ports for servers that are told their port and listen on it a moment later.

A port that the kernel chooses for 0 lies among those that it gives to outgoing connections, and on a busy machine one
of these may have it by then.
"""

import random
import socket
from contextlib import suppress
from pathlib import Path

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST, _USUAL_END = 15_000, 32_768
_TRIES = 200


def listener(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """Listen on a port, for 0 on a free one below those of outgoing connections; the caller closes it.

    Raises
    ------
    OSError
        If the port is taken, or the host is none of this machine.
    """
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    if not port:
        for chosen in random.sample(range(_LOWEST, _end()), _TRIES):
            with suppress(OSError):
                return _listening(family, host, chosen)
    return _listening(family, host, port)


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port on which nothing listens."""
    with listener(host) as held:
        return int(held.getsockname()[1])


def _listening(family: int, host: str, port: int) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        made.listen()
    except BaseException:
        made.close()
        raise
    return made


def _end() -> int:
    """Return the first port of outgoing connections, or one that leaves enough below it."""
    try:
        first = int(_RANGE.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        first = _USUAL_END
    return first if first >= _LOWEST + _TRIES else _USUAL_END
