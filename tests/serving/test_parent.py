# SPDX-License-Identifier: Apache-2.0
"""A process that watches another one ends with it, even while it computes."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vcf_runtime import parent

WATCHER = """
import sys, time
sys.path[:0] = {path!r}
from vcf_runtime import parent
if {forbidden}:
    def forbidden(pid):
        raise PermissionError
    parent.os.pidfd_open = forbidden
parent.watch(parent.os.getppid())
print("watching", flush=True)
{work}
"""
OWNER = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', sys.argv[1]]); input()"


@pytest.mark.parametrize("forbidden", [False, True])
@pytest.mark.parametrize("work", ["time.sleep(60)", "while True: sum(range(1000))"])
def test_it_ends_when_its_parent_is_killed(work, forbidden):
    mark = f"#{os.getpid()}-{time.monotonic_ns()}"
    code = WATCHER.format(path=sys.path, work=work, forbidden=forbidden) + mark
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout.readline() == "watching\n"
    watching = [pid for pid in running(mark) if pid != owner.pid]
    assert len(watching) == 1
    owner.kill()
    owner.communicate()
    until = time.monotonic() + 30
    while running(mark) and time.monotonic() < until:
        time.sleep(0.05)
    assert running(mark) == []


def running(mark):
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:
            pass
    return found


def test_a_process_that_is_no_stub_is_left_alone(monkeypatch):
    watched = []
    monkeypatch.setattr(parent, "watch", watched.append)
    parent.end_with_server()
    assert watched == []
