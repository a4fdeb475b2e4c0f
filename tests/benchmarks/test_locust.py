# SPDX-License-Identifier: Apache-2.0
import json
import subprocess
import sys

import numpy as np
import pytest

from benchmarks import locust_page
from benchmarks.arrivals import varying
from benchmarks.locust_run import headless
from benchmarks.profiles import PROFILES
from benchmarks.result import ROOT, Result
from vcf.errors import SetupError


def test_locust_reads_the_file_and_finds_its_users() -> None:
    """In a process of its own: gevent changes much of Python."""
    command = [sys.executable, "-m", "locust", "-f", "benchmarks/locustfile.py", "--list"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert listed.returncode == 0, listed.stderr
    assert "Scanner" in listed.stdout + listed.stderr


def test_page_counts_failures_and_knows_the_expected_number(tmp_path) -> None:
    profile, minutes, capacity = PROFILES["day"], 20.0, 5.0
    hours_per_s = profile.hours / (minutes * 60)
    due = varying(lambda t: profile.share(t * hours_per_s) * capacity, profile.peak * capacity, minutes * 60, 3)
    calls = [
        {
            "size": "300 × 1 mm" if n % 3 else "40 × 5 mm",
            "failure": "WRONG" if n == 7 else None,
            "due_s": at,
            "sent_s": at + 0.001,
            "done_s": at + 0.3,
        }
        for n, at in enumerate(due.tolist())
    ]
    result = Result("locust", {"profile": "day"})
    locust_page.fill(result, profile, calls, minutes, capacity)
    path = result.write(tmp_path / "locust.json")
    figures = json.loads(path.read_text())["figures"]
    assert figures["failures"] == 1 and figures["lag_p99_ms"] == pytest.approx(1, abs=1e-6)
    expected = figures["studies_expected"]
    assert expected == pytest.approx(np.mean([profile.share(h) for h in np.linspace(0, 24, 9601)]) * 6000, rel=0.01)
    assert len(calls) == pytest.approx(expected, abs=4 * expected**0.5)
    assert figures["corrected"]["40 × 5 mm"][0]["ms"] == pytest.approx(300)
    assert "<svg" in path.with_suffix(".html").read_text() and result.valid


def test_a_server_that_is_not_there_is_said() -> None:
    with pytest.raises(SetupError, match="no Triton server takes studies"):
        headless("127.0.0.1:9", "ramp", 0.05, 1.0)


@pytest.mark.server
@pytest.mark.slow
def test_a_short_ramp_against_the_server(triton_server) -> None:
    calls = headless(triton_server.grpc_url, "ramp", 0.3, 2.0)
    assert calls and {call["size"] for call in calls} == {"133 × 2.5 mm"}
    assert [call["failure"] for call in calls] == [None] * len(calls)
    assert all(call["due_s"] <= call["sent_s"] <= call["done_s"] for call in calls)
    assert all(call["due_s"] < 18 for call in calls)
