# SPDX-License-Identifier: Apache-2.0
import os
import subprocess
import sys
import time
from pathlib import Path

from vcf_benchmarks.harness.processes import OTHER, cpu_s_by_part, spent

ROOT = Path(__file__).resolve().parents[3]
BUSY = "while True: pass"


def test_processor_time_goes_to_the_model_whose_stub_used_it(tmp_path: Path) -> None:
    """Two stubs of one model, and a process that names the model and is none."""
    stub, model = tmp_path / "triton_python_backend_stub", tmp_path / "rib_patches/1/model.py"
    stub.symlink_to(sys.executable)
    model.parent.mkdir(parents=True)
    model.write_text(BUSY)
    commands = [[str(stub), str(model)]] * 2 + [[sys.executable, "-c", BUSY, str(model)]]
    running = [subprocess.Popen(command) for command in commands]
    try:
        deadline = time.monotonic() + 300
        parts: dict[str, float] = {}
        while min(parts.get("rib_patches", 0), parts.get(OTHER, 0)) < 0.1 and time.monotonic() < deadline:
            time.sleep(0.05)
            parts = cpu_s_by_part(os.getpid())
    finally:
        for process in running:
            process.kill()
            process.wait()
    assert parts["rib_patches"] >= 0.1 and parts[OTHER] >= 0.1
    assert "rib_patches 2" not in parts


def test_orphans_stay_in_the_family() -> None:
    """A process whose parent has ended, as servers that go into the background leave it. In a process of its own."""
    program = (
        "import os, subprocess, sys, time, psutil;"
        "from vcf_benchmarks.harness.processes import adopt_orphans;"
        "adopt_orphans();"
        'child = \'import subprocess, sys; print(subprocess.Popen([sys.executable, "-c", "input()"]).pid)\';'
        "orphan = psutil.Process(int(subprocess.check_output([sys.executable, '-c', child], stdin=0)));"
        "assert orphan.ppid() == os.getpid(), orphan.ppid();"
        "orphan.kill(); orphan.wait()"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT, stdin=subprocess.PIPE)


def test_what_a_call_takes_is_told_by_side(monkeypatch) -> None:
    taken_s = iter([7.0, 7.5])
    monkeypatch.setattr("vcf_benchmarks.harness.processes.cpu_s", lambda pid: next(taken_s))

    def work() -> str:
        until_s = time.process_time() + 0.05
        while time.process_time() < until_s:
            pass
        return "answer"

    took = spent(work, 1)
    assert took.value == "answer" and took.server_s == 0.5
    # Processor time is that of all threads of this process: the clock on the wall may show less.
    assert took.client_s >= 0.05 and took.wall_ms > 0
    assert took.core_s == took.client_s + took.server_s
    assert spent(lambda: None, None).server_s == 0.0
