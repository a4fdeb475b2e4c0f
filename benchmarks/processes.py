# SPDX-License-Identifier: Apache-2.0
"""Processor time of processes and all that they start."""

from collections import defaultdict
from collections.abc import Iterable

import psutil

SERVER = "tritonserver"
OTHER = "other processes"


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


def cpu_s_by_part(pid: int, models: Iterable[str]) -> dict[str, float]:
    """Of the descendants of a process so far: the server, each model's stubs under the model's name, and all others."""
    names = tuple(models)
    parts: defaultdict[str, float] = defaultdict(float)
    for process in psutil.Process(pid).children(recursive=True):
        try:
            command = process.cmdline()
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        part = SERVER if command and command[0].endswith(SERVER) else OTHER
        part = next((name for name in names if any(name in argument for argument in command[1:])), part)
        parts[part] += times.user + times.system
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
