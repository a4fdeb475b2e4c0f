# SPDX-License-Identifier: Apache-2.0
import json

import numpy as np
import pytest

from vcf_benchmarks.harness.arrivals import varying
from vcf_benchmarks.harness.profiles import PROFILES
from vcf_benchmarks.harness.result import Result
from vcf_benchmarks.locust.figures import add_figures
from vcf_benchmarks.pages import draw


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
    result = Result("locust", {"profile": "day", "minutes": minutes, "capacity_per_s": capacity, "compression": 72.0})
    add_figures(result, profile, calls, minutes, capacity)
    path = result.write(tmp_path / "locust.json")
    figures = json.loads(path.read_text())["figures"]
    assert figures["failures"] == 1 and figures["lag_p99_ms"] == pytest.approx(1, abs=1e-6)
    expected = figures["studies_expected"]
    assert expected == pytest.approx(np.mean([profile.share(h) for h in np.linspace(0, 24, 9601)]) * 6000, rel=0.01)
    assert len(calls) == pytest.approx(expected, abs=4 * expected**0.5)
    assert figures["corrected"]["40 × 5 mm"][0]["ms"] == pytest.approx(300)
    page = draw(path)[0].read_text()
    assert "<svg" in page and "failed or wrong" in page and result.valid
