# SPDX-License-Identifier: Apache-2.0
import mmap
import os
import secrets
import subprocess
import sys
import time

import psutil
import pytest

from vcf_benchmarks.harness import memory
from vcf_benchmarks.harness.memory import (
    SHARED,
    Meter,
    private_bytes,
    proportional_peak,
    server_processes,
)
from vcf_server.guard import SHARED_MEMORY

MB = 1 << 20
ALLOCATES = """
import sys
print("up", flush=True)
sys.stdin.readline()
block = bytearray(int(sys.argv[1]))
for at in range(0, len(block), 4096):
    block[at] = 1
print("held", flush=True)
sys.stdin.readline()
"""


def test_peak_of_a_block_of_known_size_in_another_process() -> None:
    child = subprocess.Popen(
        [sys.executable, "-S", "-c", ALLOCATES, str(64 * MB)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdin and child.stdout
    try:
        assert child.stdout.readline() == "up\n"
        with Meter({"child": child.pid}) as meter:
            child.stdin.write("\n")
            child.stdin.flush()
            assert child.stdout.readline() == "held\n"
        assert meter.growth_bytes == pytest.approx(64 * MB, abs=2 * MB)
        assert meter.peak_bytes["child"] - meter.before_bytes["child"] == meter.growth_bytes
    finally:
        child.kill()
        child.wait()
        child.stdin.close()
        child.stdout.close()


def test_a_block_that_is_gone_again_is_in_the_peak() -> None:
    with Meter({"self": os.getpid()}, every_s=0.001) as meter:
        with mmap.mmap(-1, 32 * MB, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as block:
            block.write(b"\1" * 32 * MB)
            until = time.perf_counter() + 120
            while meter.growth_bytes < 31 * MB and time.perf_counter() < until:
                time.sleep(0.002)
        after = private_bytes(os.getpid())
    assert meter.growth_bytes >= 31 * MB
    assert after < meter.peak_bytes["self"] - 31 * MB


def test_shared_memory_counts_once_and_only_what_is_used() -> None:
    prefix = f"vcf-test-{secrets.token_hex(8)}-"
    file = SHARED_MEMORY / f"{prefix}0"
    if not SHARED_MEMORY.is_dir():
        pytest.skip("no /dev/shm on this system")
    try:
        with Meter({}, prefix) as meter, file.open("wb") as handle:
            handle.truncate(64 * MB)
            handle.write(b"\1" * 16 * MB)
        assert meter.peak_bytes[SHARED] == 16 * MB
        assert meter.before_total_bytes == 0
    finally:
        file.unlink(missing_ok=True)


def test_the_peak_of_a_family_is_that_of_all_its_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "PROPORTIONAL_EVERY_S", 0.01)
    child = subprocess.Popen(
        [sys.executable, "-S", "-c", ALLOCATES, str(64 * MB)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdin and child.stdout
    try:
        assert child.stdout.readline() == "up\n"
        with proportional_peak([psutil.Process(child.pid)]) as peak:
            child.stdin.write("\n")
            child.stdin.flush()
            assert child.stdout.readline() == "held\n"
            until = time.perf_counter() + 120
            while peak.nbytes < 64 * MB and time.perf_counter() < until:
                time.sleep(0.01)
        assert 64 * MB <= peak.nbytes < 128 * MB
    finally:
        child.kill()
        child.wait()
        child.stdin.close()
        child.stdout.close()


def test_a_process_that_has_ended_holds_nothing() -> None:
    child = subprocess.Popen([sys.executable, "-S", "-c", ""])
    child.wait()
    assert private_bytes(child.pid) == 0


def test_stubs_are_named_by_their_models(monkeypatch: pytest.MonkeyPatch) -> None:
    class Process:
        def __init__(self, pid: int, command: list[str]) -> None:
            self.pid, self._command = pid, command

        def cmdline(self) -> list[str]:
            return self._command

    stub = "/tmp/backends/python/triton_python_backend_stub"
    children = [
        Process(1, ["/opt/bin/tritonserver", "--model-repository=/models"]),
        Process(2, [stub, "/models/spine_patches/1/model.py", "vcf-0"]),
        Process(3, [stub, "/models/spine_patches/1/model.py", "vcf-1"]),
        Process(4, [stub, "/models/patch_encoder/1/model.onnx", "vcf-2"]),
        Process(5, ["python3", "guard.py"]),
        Process(6, []),
    ]

    class Parent:
        def children(self, recursive: bool) -> list[Process]:
            assert recursive
            return children

    monkeypatch.setattr("vcf_benchmarks.harness.memory.psutil.Process", lambda pid: Parent())
    assert server_processes(0) == {"tritonserver": 1, "spine_patches": 2, "spine_patches 2": 3, "patch_encoder": 4}
