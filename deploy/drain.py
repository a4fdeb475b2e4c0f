# SPDX-License-Identifier: Apache-2.0
"""Let the studies of a server end before it is told to stop: Triton ends the step that runs on SIGTERM, and no other.

First wait until no client is connected any more, or long enough for all to have learnt that this server goes. Then
unload the ensembles: Triton takes no new study and says ``UNLOADING`` until the last one is answered. No metric tells
as much: a study counts in none of them while one of its steps runs. Standard library alone: it runs inside the server's
image, as what Kubernetes calls a preStop hook.

The server must run with ``--model-control-mode=explicit``. The key of its model-repository interface, if it has one,
is read from the environment variable VCF_ADMIN_KEY, and sent as the header ``vcf-admin``.

Exit status: 0 nothing runs any more; 1 one line on standard output says what went wrong or still runs.
"""

import argparse
import http.client
import json
import os
import socket
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ADMIN_HEADER = "vcf-admin"
ADMIN_KEY_VARIABLE = "VCF_ADMIN_KEY"
POLL_S = 0.2
ESTABLISHED = "01"
"""State of a connection in /proc/net/tcp (proc(5); include/net/tcp_states.h of Linux)."""


class NotDrained(Exception):
    """Tell what went wrong or still runs, in one line."""


class Repository:
    """Triton's interface to load and unload models."""

    def __init__(self, host: str, port: int, key: str | None) -> None:
        self.host, self.port = host, port
        self._headers = {ADMIN_HEADER: key} if key else {}

    def states(self) -> dict[str, set[str]]:
        """READY, UNLOADING, … of the versions of each model."""
        states: dict[str, set[str]] = {}
        for entry in self._post("index"):
            states.setdefault(entry["name"], set()).add(entry.get("state", "UNAVAILABLE"))
        return states

    def unload(self, model: str) -> None:
        """Take no further request; answers at once."""
        self._post(f"models/{model}/unload")

    def _post(self, path: str) -> Any:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=10)
        try:
            connection.request("POST", f"/v2/repository/{path}", "{}", self._headers)
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise NotDrained(f"no server at {self.host}:{self.port}: {type(error).__name__}") from None
        finally:
            connection.close()
        if response.status != 200:
            raise NotDrained(f"{path}: status {response.status}, {body.decode('utf-8', 'replace')}")
        return json.loads(body or b"null")


def connections(ports: Iterable[int], tables: Iterable[Path]) -> int:
    """Clients of other machines (or pods) that are connected to one of the ports.

    Those of loopback are this pod's own: probes.
    """
    wanted = {f"{port:04X}" for port in ports}
    found = 0
    for table in tables:
        for line in table.read_text().splitlines()[1:]:
            local, remote, state = line.split()[1:4]
            found += state == ESTABLISHED and local.rpartition(":")[2] in wanted and not _loopback(remote)
    return found


def _loopback(address: str) -> bool:
    """Read an address as in /proc/net/tcp: 32-bit words in the byte order of the machine, then the port."""
    words = address.partition(":")[0]
    packed = b"".join(int(words[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(words), 8))
    text = socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)
    return text.startswith(("127.", "::ffff:127.")) or text == "::1"


def drain(
    repository: Repository,
    ensembles: list[str],
    ports: Iterable[int],
    *,
    notice_s: float,
    settle_s: float,
    limit_s: float,
    tables: Iterable[Path] = (Path("/proc/net/tcp"), Path("/proc/net/tcp6")),
) -> None:
    """Raise ``NotDrained`` unless all studies are answered within ``limit_s``."""
    started = time.monotonic()
    tables = [table for table in tables if table.exists()]
    time.sleep(notice_s)
    while time.monotonic() - started < settle_s and connections(ports, tables):
        time.sleep(POLL_S)
    for name in ensembles:
        repository.unload(name)
    while running := [name for name in ensembles if repository.states().get(name, set()) - {"UNAVAILABLE"}]:
        if time.monotonic() - started > limit_s:
            raise NotDrained(f"after {limit_s:g} s studies still run in {', '.join(running)}")
        time.sleep(POLL_S)


def main(arguments: list[str] | None = None) -> int:
    """Exit status, as described on top."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--host", default="127.0.0.1", help="default %(default)s")
    parser.add_argument("--port", type=int, default=8000, metavar="N", help="of HTTP, default %(default)s")
    parser.add_argument("--grpc-port", type=int, default=8001, metavar="N", help="default %(default)s")
    parser.add_argument("--models", type=Path, default=Path("/models"), help="model repository, default %(default)s")
    parser.add_argument(
        "--notice-s", type=float, default=5, metavar="S", help="wait at least so long first, default %(default)s"
    )
    parser.add_argument(
        "--settle-s", type=float, default=90, metavar="S", help="wait at most so long for clients, default %(default)s"
    )
    parser.add_argument("--limit-s", type=float, default=240, metavar="S", help="give up after, default %(default)s")
    args = parser.parse_args(arguments)
    configs = sorted(args.models.glob("*/config.pbtxt"))
    ensembles = [config.parent.name for config in configs if 'platform: "ensemble"' in config.read_text()]
    try:
        if not ensembles:
            raise NotDrained(f"the model repository {args.models} holds no ensemble")
        drain(
            Repository(args.host, args.port, os.environ.get(ADMIN_KEY_VARIABLE)),
            ensembles,
            (args.port, args.grpc_port),
            notice_s=args.notice_s,
            settle_s=args.settle_s,
            limit_s=args.limit_s,
        )
    except NotDrained as wrong:
        print(wrong)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
