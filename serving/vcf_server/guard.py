# SPDX-License-Identifier: Apache-2.0
"""Run a server so that nothing of it outlives its owner: no process, no shared memory, no folder.

A script of its own, ``python guard.py GRACE_S SHM_PREFIX FOLDER COMMAND…``, because an owner that is killed
cannot clean up. Standard input is the life line: the owner holds the other end of the pipe and never writes;
when it closes, on purpose or because the owner died, the server is asked to stop (SIGTERM), killed after
GRACE_S seconds, and what it left is removed. (A parent-death signal alone would fire when the *thread* that
started the server ends.) The exit status is the server's.
"""

import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
SHARED_MEMORY = Path("/dev/shm")


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def _die_with_guard() -> None:
    """Prepare the child: if even the guard is killed, the server goes too, and its stubs notice."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def run(grace_s: float, command: list[str]) -> int:
    """Run ``command`` in a process group of its own until it ends, the life line closes or a signal comes."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0, preexec_fn=_die_with_guard)
    ended = os.pidfd_open(server.pid)
    select.select([sys.stdin.fileno(), ended, wake_read], [], [])
    if server.poll() is None:
        server.terminate()
        select.select([ended], [], [], grace_s)
    _kill_group(server.pid)
    status = server.wait()
    _reap_orphans(limit_s=5.0)
    return status if status >= 0 else 128 - status


def _kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def _reap_orphans(limit_s: float) -> None:
    """Wait for stubs that lost their server and became our children."""
    until = time.monotonic() + limit_s
    while time.monotonic() < until:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            time.sleep(0.01)


def clean(shm_prefix: str, folder: Path) -> None:
    """Remove shared memory regions that start with the prefix, and the private folder."""
    for region in SHARED_MEMORY.glob(f"{shm_prefix}*"):
        region.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def main(arguments: list[str]) -> int:
    """Entry of the script; see the module's text."""
    grace_s, shm_prefix, folder, *command = arguments
    try:
        return run(float(grace_s), command)
    finally:
        clean(shm_prefix, Path(folder))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
