# SPDX-License-Identifier: Apache-2.0
"""A region of system shared memory that a server on the same machine reads a volume from."""

import os
import secrets
import weakref
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FOLDER = Path("/dev/shm")
"""Where Linux keeps POSIX shared memory objects; Triton runs on nothing else."""


class Region:
    """An array in shared memory under a name that cannot be guessed, readable by this user alone.

    The name lives only until the server has mapped the region (`forget_name`), so that even a process that is killed
    leaves nothing behind: the memory goes with its last user. Whatever happens before, the name goes with this object
    or with the interpreter.

    Raises
    ------
    OSError
        If there is no shared memory on this system, or not enough of it.
    """

    def __init__(self, array: NDArray[Any]) -> None:
        self.name = f"vcf-client-{secrets.token_hex(16)}"
        self.nbytes = array.nbytes
        path = FOLDER / self.name
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self.forget_name = weakref.finalize(self, _unlink, path)
        try:
            _write(handle, np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
        except BaseException:
            self.forget_name()
            raise
        finally:
            os.close(handle)


def is_loopback(address: str) -> bool:
    """Whether a gRPC address is one of this machine's own. What listens there may still be the end of a tunnel."""
    if address.startswith("unix:"):
        return True
    host = address.rpartition(":")[0].strip("[]")
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


def _write(handle: int, content: memoryview) -> None:
    """Write all of it. By a call, not through a mapping, which would fault once a page and have each cleared first; and
    where memory runs out this raises, while a mapping ends the process.
    """
    while len(content):
        content = content[os.write(handle, content) :]


def _unlink(path: Path) -> None:
    path.unlink(missing_ok=True)
