# SPDX-License-Identifier: Apache-2.0
"""Processor time of processes and all that they start."""

import ctypes
import os
from collections import defaultdict
from collections.abc import Iterable

import psutil

from benchmarks.memory import server_processes

OTHER = "other processes"
_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Become the parent of descendants whose own ends (prctl(2), Linux): some servers leave theirs behind on purpose.

    What they use would otherwise be taken for another program's.

    Raises
    ------
    OSError
        If the kernel refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def cpu_s(pid: int) -> float:
    """Of all descendants of a process so far, those that they outlived included; user and system."""
    return _used(psutil.Process(pid).children(recursive=True))


def family_cpu_s(pid: int) -> float:
    """Of a process and its descendants so far, those that have ended included; 0 for one that is gone."""
    try:
        process = psutil.Process(pid)
        return _used([process, *process.children(recursive=True)])
    except psutil.NoSuchProcess:
        return 0.0


def cpu_s_by_part(pid: int) -> dict[str, float]:
    """Of the descendants of a process so far: the server, the stubs of each model together, and all others."""
    named = {stub: name.partition(" ")[0] for name, stub in server_processes(pid).items()}
    parts: defaultdict[str, float] = defaultdict(float)
    for process in psutil.Process(pid).children(recursive=True):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        parts[named.get(process.pid, OTHER)] += times.user + times.system
    return dict(parts)


def _used(processes: Iterable[psutil.Process]) -> float:
    total = 0.0
    for process in processes:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        # What its children used that have ended in between counts too: servers come and go in a benchmark.
        total += times.user + times.system + times.children_user + times.children_system
    return total
