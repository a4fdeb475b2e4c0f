# SPDX-License-Identifier: Apache-2.0
"""The scheduling priority of a load generator that shares its cores with the server."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

from vcf_runtime.niceness import of_all_threads

SWITCH_S = 0.0005
"""How long a thread that prepares a study may keep Python's lock while a call is due; by default 5 ms."""
AHEAD = 10
"""Steps of niceness by which the process that sends goes before the server's."""


@contextmanager
def ahead_of_others() -> Iterator[Callable[[], None]]:
    """Let this process keep its schedule: its threads go before those of a server that fills all cores.

    All of them, for one that waits with Python's lock in its hands holds up the one that sends. That one gets a core
    as soon as a call is due (`SCHED_FIFO`): whatever its niceness, Linux since 6.6 lets another thread end its slice of
    some milliseconds first. Threads that it makes inherit none of this: what is yielded is for them. Without the right
    to do so (root, CAP_SYS_NICE) it goes on: the generator's lag is measured in any case.
    """
    before_s = sys.getswitchinterval()
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    try:
        sys.setswitchinterval(SWITCH_S)
        of_all_threads(nice - AHEAD)
        with _real_time():
            yield partial(of_all_threads, nice - AHEAD)
    finally:
        of_all_threads(nice)
        sys.setswitchinterval(before_s)


@contextmanager
def _real_time() -> Iterator[None]:
    """Let this thread wait for no other of an ordinary priority; the threads that it makes do not inherit that."""
    if not hasattr(os, "SCHED_RESET_ON_FORK"):
        yield
        return
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        with suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
        yield
    finally:
        os.sched_setscheduler(0, *before)


def allowed() -> bool:
    """Return whether this process has the right to that."""
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    try:
        os.setpriority(os.PRIO_PROCESS, 0, nice - AHEAD)
        os.setpriority(os.PRIO_PROCESS, 0, nice)
    except PermissionError:
        return False
    return True
