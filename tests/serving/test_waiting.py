# SPDX-License-Identifier: Apache-2.0
"""Signals are noticed, also those that wake no call."""

import signal
import subprocess
import sys
import threading

import pytest

from vcf_server.waiting import wait_for_end

PROGRAM = """
import signal, subprocess, sys, threading, time
from vcf_server.waiting import wait_for_end

def interrupt(number, frame):
    raise KeyboardInterrupt

def signal_myself():
    # To this thread, not to the main one: as a signal that comes just before the wait, it interrupts no call.
    time.sleep(0.3)  # the main thread waits
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

signal.signal(signal.SIGTERM, interrupt)
child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
thread = threading.Thread(target=signal_myself)
try:
    thread.start()
    wait_for_end(child)
except KeyboardInterrupt:
    print("interrupted")
finally:
    child.kill()
    child.wait()
"""


def sleeper() -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)


def test_a_signal_that_wakes_no_call_is_noticed_all_the_same() -> None:
    """``child.wait()`` in its place waits for ever: the time limit is that of this test alone."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "interrupted\n"), done.stderr


@pytest.mark.parametrize("status", [0, 7])
def test_the_status_of_a_process_that_ends(status: int) -> None:
    process = subprocess.Popen([sys.executable, "-c", f"raise SystemExit({status})"])
    assert wait_for_end(process) == status
    assert wait_for_end(process) == status, "asked again"


def test_the_status_of_one_that_is_killed() -> None:
    process = sleeper()
    timer = threading.Timer(0.1, process.kill)
    timer.start()
    assert wait_for_end(process, 120) == -signal.SIGKILL


@pytest.mark.parametrize("timeout_s", [0.0, 0.05, 0.7])
def test_one_that_runs_on(timeout_s: float) -> None:
    process = sleeper()
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            wait_for_end(process, timeout_s)
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()
