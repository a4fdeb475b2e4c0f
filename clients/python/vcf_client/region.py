# SPDX-License-Identifier: Apache-2.0
"""Regions of system shared memory that a server on the same machine reads voxels from."""

import mmap
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
    """Shared memory under a name that cannot be guessed, readable by this user alone, for one array after another.

    The name lives only until the server has mapped the region (`forget_name`), so that even a process that is killed
    leaves no file behind: the memory goes with its last user. Whatever happens before, the name goes with this object
    or with the interpreter.

    Raises
    ------
    OSError
        If there is no shared memory on this system, or not enough of it.
    """

    def __init__(self, nbytes: int) -> None:
        self.name = f"vcf-client-{secrets.token_hex(16)}"
        self.nbytes = nbytes
        path = FOLDER / self.name
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self.forget_name = weakref.finalize(self, _unlink, path)
        try:
            # Reserved now: writing to memory that is not there would end the process.
            os.posix_fallocate(handle, 0, nbytes)
            # Mapped whole, too: otherwise each page would be when it is first written to.
            self.memory = mmap.mmap(handle, nbytes, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE)
        except BaseException:
            self.forget_name()
            raise
        finally:
            os.close(handle)


def copy_into(region: Region, array: NDArray[Any]) -> None:
    """Copy an array to the beginning of a region, contiguous whatever its strides."""
    view = np.frombuffer(region.memory, array.dtype, array.size).reshape(array.shape)
    np.copyto(view, array)


def is_loopback(address: str) -> bool:
    """Return whether a gRPC address is this machine's own. What listens there may still be the end of a tunnel."""
    if address.startswith("unix:"):
        return True
    host = address.rpartition(":")[0].strip("[]")
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


def _unlink(path: Path) -> None:
    path.unlink(missing_ok=True)
