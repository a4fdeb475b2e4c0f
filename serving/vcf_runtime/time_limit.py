# SPDX-License-Identifier: Apache-2.0
"""A limit for work that may never return, such as a decoder's in C: the process ends, and whoever started it starts
another.

Nothing else can end such work: an exception waits for the C function, a thread's for the interpreter's lock. The timer
of ``faulthandler`` needs neither.
"""

import faulthandler
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def process_ends_after(seconds: float) -> Iterator[None]:
    """End this process, exit code 1, if the block has not ended by then.

    The lines of code that every thread was at go to standard error: names of functions, no values. One block at a time
    in a process.
    """
    faulthandler.dump_traceback_later(seconds, exit=True, file=sys.__stderr__ or 2)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
