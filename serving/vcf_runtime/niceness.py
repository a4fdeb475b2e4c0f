# SPDX-License-Identifier: Apache-2.0
"""Tell how computing lets questions go first.

Under overload all cores compute. A refusal takes a millisecond of processor time, in `tritonserver` and in the model
``admission``, and waits tens of milliseconds for a core; processes that compute and are nicer give theirs up at once.
Where others compute on the same cores, nice processes get next to nothing, so it is for containers and machines of
the server's own: within a container niceness says who goes first, not how much the container gets.
"""

import os
from contextlib import suppress
from pathlib import Path

VARIABLE = "VCF_NICENESS"
"""Environment of the server: the steps of niceness, 0 to 19, by which its models that compute come after the rest."""
HIGHEST = 19


def come_after() -> None:
    """Make all threads of this process nicer by ``VCF_NICENESS``; those that they start are as nice as they are.

    Raises
    ------
    ValueError
        If the variable is no number from 0 to 19.
    """
    text = os.environ.get(VARIABLE, "") or "0"
    if not text.isdecimal() or int(text) > HIGHEST:
        raise ValueError(f"{VARIABLE} must be a number from 0 to {HIGHEST}, found {text!r}")
    if int(text):
        of_all_threads(min(HIGHEST, os.getpriority(os.PRIO_PROCESS, 0) + int(text)))


def of_all_threads(nice: int) -> None:
    """Set the niceness of all threads: on Linux each has its own, and a new one that of the thread that made it."""
    with suppress(FileNotFoundError):  # another system
        for thread in Path("/proc/self/task").iterdir():
            with suppress(PermissionError, ProcessLookupError):
                os.setpriority(os.PRIO_PROCESS, int(thread.name), nice)
