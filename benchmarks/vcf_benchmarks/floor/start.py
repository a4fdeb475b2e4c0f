# SPDX-License-Identifier: Apache-2.0
"""The time from a command to the line that says that its server is ready, with a limit to every wait."""

import os
import selectors
import subprocess
import time
from collections.abc import Sequence

from vcf_contract.errors import SetupError

READY_LIMIT_S = 300.0
STOP_LIMIT_S = 60.0


def seconds_to_ready(
    command: Sequence[str], *, ready_limit_s: float = READY_LIMIT_S, stop_limit_s: float = STOP_LIMIT_S
) -> float:
    """Start a server, time it to its first line, which begins with ``ready``, and stop it.

    Raises
    ------
    SetupError
        If it ends or says something else, is not ready in time, or does not stop when it is told to.
    """
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        try:
            line = _first_line(server, started + ready_limit_s)
            took_s = time.perf_counter() - started
            server.terminate()
            server.wait(stop_limit_s)
        except subprocess.TimeoutExpired:
            raise SetupError(f"the server did not stop within {stop_limit_s:g} s of SIGTERM, and was killed") from None
        finally:
            server.kill()  # nothing, if it has ended
    if not line.startswith(b"ready"):
        raise SetupError("the server did not become ready: it ended, or its first line does not begin with `ready`")
    return took_s


def _first_line(server: "subprocess.Popen[bytes]", until: float) -> bytes:
    """Read up to the end of a line, or of the output."""
    assert server.stdout is not None
    line = b""
    with selectors.DefaultSelector() as selector:
        selector.register(server.stdout, selectors.EVENT_READ)
        while not line.endswith(b"\n"):
            if not selector.select(max(0.0, until - time.perf_counter())):
                raise SetupError("the server was not ready in time, and was killed")
            byte = os.read(server.stdout.fileno(), 1)
            if not byte:
                return line
            line += byte
    return line
