# SPDX-License-Identifier: Apache-2.0
"""Processor time of processes and all that they start."""

import ctypes
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

import psutil

from vcf_benchmarks.harness.memory import server_processes

T = TypeVar("T")
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


@dataclass(frozen=True)
class Spent(Generic[T]):
    """Time that a call took: wall time, and processor time of this process and of all that it started."""

    wall_ms: float
    client_s: float
    server_s: float
    value: T

    @property
    def core_s(self) -> float:
        """Processor time of both sides."""
        return self.client_s + self.server_s


def spent(call: Callable[[], T], server_pid: int | None) -> Spent[T]:
    """Make a call and tell what it took; ``server_pid`` is a process with the server among its descendants, if any."""
    server_s = cpu_s(server_pid) if server_pid else 0.0
    client_s, started = time.process_time(), time.perf_counter()
    value = call()
    wall_ms = (time.perf_counter() - started) * 1e3
    client_s = time.process_time() - client_s
    return Spent(wall_ms, client_s, (cpu_s(server_pid) if server_pid else 0.0) - server_s, value)


def cpu_s(pid: int) -> float:
    """Return the processor time of all descendants of a process so far, those that they outlived included."""
    return _used(psutil.Process(pid).children(recursive=True))


def family_cpu_s(pid: int) -> float:
    """Return that of a process and its descendants so far, those that have ended included; 0 for one that is gone."""
    try:
        process = psutil.Process(pid)
        return _used([process, *process.children(recursive=True)])
    except psutil.NoSuchProcess:
        return 0.0


def cpu_s_by_part(pid: int) -> dict[str, float]:
    """Return that of the descendants of a process: the server, the stubs of each model together, and all others."""
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
