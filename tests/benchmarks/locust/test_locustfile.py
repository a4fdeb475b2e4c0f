# SPDX-License-Identifier: Apache-2.0
import subprocess
import sys

from vcf_benchmarks.harness.machine import ROOT


def test_locust_reads_the_file_and_finds_its_users() -> None:
    """In a process of its own: gevent changes much of Python."""
    command = [sys.executable, "-m", "locust", "-f", "benchmarks/vcf_benchmarks/locust/locustfile.py", "--list"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert listed.returncode == 0, listed.stderr
    assert "Scanner" in listed.stdout + listed.stderr
