# SPDX-License-Identifier: Apache-2.0
"""Large blocks of memory, kept from one study to the next.

glibc maps every large block anew and gives it back when it is freed; the kernel then clears all of its pages again, one
fault for each 4 KiB. A study's tensors are some tens of megabytes at either end, a whole volume has up to 370, and
clearing takes longer than copying does: on a virtual machine whose host takes free memory back, ten times as long.
Kept, the tensors of one study lie where those of the last one did.

Three settings do that. No block is mapped by itself. All threads share one heap: those of threads end at 64 MiB, and
what does not fit is mapped after all. The heap gives back only what lies unused at its end beyond a gigabyte.
"""

import ctypes
import os
from collections.abc import Mapping

TRIM_THRESHOLD_BYTES = 1 << 30
"""What may lie unused at the end of the heap: two volumes of 700 slices, received and parsed."""
ENVIRONMENT: Mapping[str, str] = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(TRIM_THRESHOLD_BYTES),
}
"""The settings for a process that is to be started, in glibc's own variables."""
_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8
"""Parameters of mallopt(3)."""


def keep_large_blocks() -> bool:
    """Keep them in this process, which is to send or read many studies; no where the C library cannot.

    It is the program's to decide, not a library's: the process then holds on to what it once needed, but for what lies
    at the end of its heap beyond a gigabyte. Threads that have allocated memory before keep heaps of their own.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    return mallopt is not None and all(
        mallopt(parameter, value) == 1
        for parameter, value in (
            (_M_ARENA_MAX, 1),
            (_M_MMAP_MAX, 0),
            (_M_TRIM_THRESHOLD, TRIM_THRESHOLD_BYTES),
        )
    )


def keep_large_blocks_of_children() -> None:
    """Keep them in the processes that this one starts from now on, where its environment does not say otherwise."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
