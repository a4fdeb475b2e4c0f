# SPDX-License-Identifier: Apache-2.0
"""Whatever happens to the owner, nothing of the guarded command stays behind."""

import os
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vcf_server import guard

SHM = Path("/dev/shm")
SERVER = """
import os, pathlib, signal, subprocess, sys, time
region, marks, stubborn = sys.argv[1], pathlib.Path(sys.argv[2]), len(sys.argv) > 3
if stubborn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path("/dev/shm", region + "region").write_bytes(b"x")
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
(marks / "pids").write_text(f"{os.getpid()} {child.pid}")
(marks / "ready").touch()
time.sleep(600)
"""


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def until(condition, limit_s=120.0):
    end = time.monotonic() + limit_s
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


class Guarded:
    """A guard with a command that has a child, a shared memory region and a private folder."""

    def __init__(self, tmp_path, grace_s=5.0, stubborn=False, command=None):
        self.prefix = f"vcf-test-{secrets.token_hex(6)}-"
        self.folder = tmp_path / "private"
        self.folder.mkdir()
        (self.folder / "file").touch()
        self.marks = tmp_path
        command = command or [sys.executable, "-c", SERVER, self.prefix, str(tmp_path), *(["stubborn"] * stubborn)]
        self.arguments = [
            sys.executable, "-I", "-S", guard.__file__, str(grace_s), self.prefix, str(self.folder), *command
        ]  # fmt: skip

    def start(self):
        self.process = subprocess.Popen(self.arguments, stdin=subprocess.PIPE, start_new_session=True)
        return self

    def wait_ready(self):
        assert until((self.marks / "ready").exists)
        self.pids = [int(pid) for pid in (self.marks / "pids").read_text().split()]
        assert all(alive(pid) for pid in self.pids)
        return self

    def left_over(self):
        return [pid for pid in self.pids if alive(pid)], list(SHM.glob(f"{self.prefix}*")), self.folder.exists()


@pytest.fixture
def guarded(tmp_path):
    one = Guarded(tmp_path).start().wait_ready()
    yield one
    one.process.kill()
    one.process.wait()


def test_owner_closes_the_life_line(guarded):
    guarded.process.stdin.close()
    assert guarded.process.wait(120) == 128 + signal.SIGTERM
    assert guarded.left_over() == ([], [], False)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signal_to_the_guard(guarded, number):
    guarded.process.send_signal(number)
    guarded.process.wait(120)
    assert guarded.left_over() == ([], [], False)


def test_command_that_ignores_sigterm_is_killed_after_the_grace(tmp_path):
    one = Guarded(tmp_path, grace_s=0.5, stubborn=True).start().wait_ready()
    started = time.monotonic()
    one.process.stdin.close()
    assert one.process.wait(120) == 128 + signal.SIGKILL
    assert time.monotonic() - started > 0.4
    assert one.left_over() == ([], [], False)


def test_owner_is_killed(tmp_path):
    """The owner is a process of its own here; it dies without a chance to clean up."""
    one = Guarded(tmp_path)
    code = f"import subprocess, time; p = subprocess.Popen({one.arguments!r}, stdin=subprocess.PIPE); time.sleep(600)"
    owner = subprocess.Popen([sys.executable, "-c", code])
    one.wait_ready()
    owner.kill()
    owner.wait()
    assert until(lambda: one.left_over() == ([], [], False)), one.left_over()


def test_guard_is_killed(guarded):
    """Nobody is left to clean up, but the server itself must not run on."""
    guarded.process.kill()
    server, child = guarded.pids
    try:
        assert until(lambda: not alive(server))
    finally:
        os.kill(child, signal.SIGKILL)
        guard.clean(guarded.prefix, guarded.folder)


@pytest.mark.parametrize("status", [0, 1, 7])
def test_command_ends_by_itself(tmp_path, status):
    one = Guarded(tmp_path, command=[sys.executable, "-c", f"raise SystemExit({status})"]).start()
    assert one.process.wait(120) == status
    assert not one.folder.exists()


def test_only_regions_with_the_prefix_are_removed(tmp_path):
    mine, other = SHM / f"vcf-test-{secrets.token_hex(6)}", SHM / f"vcf-other-{secrets.token_hex(6)}"
    mine.touch()
    other.touch()
    try:
        guard.clean(mine.name, tmp_path / "never made")
        assert (mine.exists(), other.exists()) == (False, True)
    finally:
        other.unlink()
