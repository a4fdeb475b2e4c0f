# SPDX-License-Identifier: Apache-2.0
import os
import subprocess
import sys
import time

from benchmarks.processes import OTHER, cpu_s_by_part

BUSY = "while True: pass"


def test_processor_time_goes_to_the_model_that_the_command_names() -> None:
    # Names of no model: servers of other tests may be running.
    commands = ([sys.executable, "-c", BUSY, "/models/rib_patches/1/model.py"], [sys.executable, "-c", BUSY])
    running = [subprocess.Popen(command) for command in commands]
    try:
        deadline = time.monotonic() + 30
        parts: dict[str, float] = {}
        while min(parts.get("rib_patches", 0), parts.get(OTHER, 0)) < 0.1 and time.monotonic() < deadline:
            time.sleep(0.05)
            parts = cpu_s_by_part(os.getpid(), ["rib_slices", "rib_patches"])
    finally:
        for process in running:
            process.kill()
            process.wait()
    assert parts["rib_patches"] >= 0.1 and parts[OTHER] >= 0.1
    assert "rib_slices" not in parts
