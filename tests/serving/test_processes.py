# SPDX-License-Identifier: Apache-2.0
"""Stubs among the processes of this machine, which a renamed Python stands in for."""

import os
import secrets
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from vcf_server.processes import STUB, kill_stubs, open_child, runs, stubs

PREFIX = f"vcf-test-{secrets.token_hex(6)}-"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[dict[str, "subprocess.Popen[bytes]"]]:
    """Two stubs of this server, one of another, and a process that names a model and is no stub."""
    stub = tmp_path / STUB
    stub.symlink_to(sys.executable)
    started = {}
    for name, program, prefix in (
        ("spine_patches", stub, PREFIX),
        ("centre_line", stub, PREFIX),
        ("axial_slices", stub, "vcf-other-"),
        ("none", Path(sys.executable), PREFIX),
    ):
        script = tmp_path / "models" / name / "1" / "model.py"
        script.parent.mkdir(parents=True)
        script.write_text("print('up', flush=True); input()")
        started[name] = subprocess.Popen([program, script, f"{prefix}0"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    for process in started.values():
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
    yield started
    for process in started.values():
        process.kill()
        process.communicate()


def test_stubs_of_a_server_by_their_models(running: dict[str, "subprocess.Popen[bytes]"]) -> None:
    assert stubs(PREFIX) == {running[name].pid: name for name in ("spine_patches", "centre_line")}
    assert stubs("vcf-nobody-") == {}


def test_only_those_are_killed(running: dict[str, "subprocess.Popen[bytes]"]) -> None:
    kill_stubs(PREFIX)
    for name in ("spine_patches", "centre_line"):
        assert running[name].wait(120) == -9
    assert stubs(PREFIX) == {}
    assert runs(running["axial_slices"].pid) and runs(running["none"].pid)


def test_only_those_of_one_model_are_killed(running: dict[str, "subprocess.Popen[bytes]"]) -> None:
    kill_stubs(PREFIX, "centre_line")
    assert running["centre_line"].wait(120) == -9
    assert set(stubs(PREFIX).values()) == {"spine_patches"}


def test_a_zombie_does_not_run(running: dict[str, "subprocess.Popen[bytes]"]) -> None:
    process = running["none"]
    assert runs(process.pid)
    process.kill()
    assert process.stdout is not None
    assert process.stdout.read() == b"", "its end of the pipe is closed once it has ended"
    while runs(process.pid):  # the kernel may still be at it; pytest's own limit would end this
        pass
    process.wait()
    assert not runs(process.pid)


def test_the_end_of_a_grandchild_is_seen_after_its_parent_was_killed() -> None:
    code = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
print(child.pid, flush=True)
input()
"""
    parent = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    opened = open_child(parent.pid)
    assert opened is not None
    try:
        parent.stdin, kept = None, parent.stdin
        os.kill(pid, signal.SIGSTOP)  # stopped, so that it does not see its input end
        parent.kill()
        parent.wait(120)
        assert select.select([opened], [], [], 0.2)[0] == []
        os.kill(pid, signal.SIGKILL)
        assert select.select([opened], [], [], 120)[0] == [opened]
        assert not runs(pid)
    finally:
        os.close(opened)
        parent.stdout.close()
        if kept:
            kept.close()


def test_a_process_without_a_child() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert open_child(process.pid) is None
        process.kill()
