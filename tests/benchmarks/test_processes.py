# SPDX-License-Identifier: Apache-2.0
import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.processes import OTHER, cpu_s_by_part

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
        deadline = time.monotonic() + 30
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
