# SPDX-License-Identifier: Apache-2.0
import os
import subprocess
import sys
import time

from benchmarks.processes import OTHER, cpu_s_by_part

BUSY = "while True: pass"


def test_processor_time_goes_to_the_model_that_the_command_names() -> None:
    commands = ([sys.executable, "-c", BUSY, "/models/spine_patches/1/model.py"], [sys.executable, "-c", BUSY])
    running = [subprocess.Popen(command) for command in commands]
    try:
        deadline = time.monotonic() + 30
        parts: dict[str, float] = {}
        while min(parts.get("spine_patches", 0), parts.get(OTHER, 0)) < 0.1 and time.monotonic() < deadline:
            time.sleep(0.05)
            parts = cpu_s_by_part(os.getpid(), ["axial_slices", "spine_patches"])
    finally:
        for process in running:
            process.kill()
            process.wait()
    assert parts["spine_patches"] >= 0.1 and parts[OTHER] >= 0.1
    assert "axial_slices" not in parts
