# SPDX-License-Identifier: Apache-2.0
"""Large blocks of memory, kept from one study to the next, in large pages.

glibc maps every large block anew and gives it back when it is freed; the kernel then clears all of its pages again, one
fault for each 4 KiB. A study's tensors are some tens of megabytes at either end, so that this takes longer than copying
them does. Kept, the tensors of one study lie where those of the last one did.

glibc keeps none above 32 MiB, and a whole volume has 70 to 370 MB. In pages of 2 MiB there are 512 times fewer faults;
most kernels give such pages to who asks (`/sys/kernel/mm/transparent_hugepage/enabled` says ``madvise``), and glibc
asks only where its environment says so as the process starts.
"""

import ctypes
import os
import sys
from collections.abc import Mapping

MMAP_THRESHOLD_BYTES = 32 << 20
"""Blocks above it are mapped: the largest that glibc takes, ``DEFAULT_MMAP_THRESHOLD_MAX``."""
TRIM_THRESHOLD_BYTES = 256 << 20
"""What may lie unused at the end of the heap before it is given back."""
ENVIRONMENT: Mapping[str, str] = {
    "MALLOC_MMAP_THRESHOLD_": str(MMAP_THRESHOLD_BYTES),
    "MALLOC_TRIM_THRESHOLD_": str(TRIM_THRESHOLD_BYTES),
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}
"""For a process that is to be started, in glibc's own variables; the last one since glibc 2.35."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Parameters of mallopt(3)."""


def keep_large_blocks() -> bool:
    """Keep them in this process, which is to send or read many studies; no where the C library cannot. Large pages are
    only for a process that was started with `ENVIRONMENT`.

    It is the program's to decide, not a library's: the process then holds on to up to 256 MiB that it does not use.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    return mallopt is not None and all(
        mallopt(parameter, value) == 1
        for parameter, value in (
            (_M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES),
            (_M_TRIM_THRESHOLD, TRIM_THRESHOLD_BYTES),
        )
    )


def restart_with_environment() -> None:
    """Start this program anew with what it lacks of `ENVIRONMENT`, under the same process id. Without glibc, go on.

    For a program's first lines: what it has done so far is lost.
    """
    lacking = {name: value for name, value in ENVIRONMENT.items() if name not in os.environ}
    if lacking and hasattr(ctypes.CDLL(None), "gnu_get_libc_version"):
        os.execve(sys.executable, sys.orig_argv, os.environ | lacking)
