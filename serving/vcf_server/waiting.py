# SPDX-License-Identifier: Apache-2.0
"""Wait for a process to end without missing a signal.

Python runs a signal's handler between two of its own steps, and C code only notes the signal. If it comes just before a
call that waits, or in another thread, nothing wakes that call: ``Popen.wait()`` then waits on, and Ctrl-C seems lost
until the process ends by itself. It was about one in a hundred of those sent as soon as a server said that it was
ready. Here the wait is divided into turns, so that the handler runs after one at the latest.
"""

import os
import select
import subprocess
import time

TURN_S = 0.5


def wait_for_end(process: "subprocess.Popen[bytes]", timeout_s: float | None = None) -> int:
    """Wait for a process to end, and return its exit status.

    Raises
    ------
    subprocess.TimeoutExpired
        If it still runs after ``timeout_s``.
    """
    until = None if timeout_s is None else time.monotonic() + timeout_s
    if process.poll() is None:
        ended = os.pidfd_open(process.pid)
        try:
            while process.poll() is None:
                left_s = TURN_S if until is None else min(TURN_S, until - time.monotonic())
                if left_s <= 0:
                    raise subprocess.TimeoutExpired(process.args, timeout_s or 0.0)
                select.select([ended], [], [], left_s)
        finally:
            os.close(ended)
    return process.wait()
