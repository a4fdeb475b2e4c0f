# SPDX-License-Identifier: Apache-2.0
"""The figures of a queue with one server, and their page."""

import json

import pytest

from tests.benchmarks.latency.single_server import PLAN, queue
from vcf_benchmarks.harness.distribution import decoded
from vcf_benchmarks.harness.result import Result
from vcf_benchmarks.latency.figures import add_figures
from vcf_benchmarks.latency.measure import Measured
from vcf_benchmarks.pages import draw


def test_page_and_json_have_every_rate(tmp_path) -> None:
    measured = Measured({1: 8.0, 2: 10.0}, [queue(2.0), queue(7.0), queue(9.0)])
    result = Result("latency", PLAN.settings())
    add_figures(result, measured, PLAN)
    path = result.write(tmp_path / "latency.json")
    document = json.loads(path.read_text())
    assert document["figures"]["highest_per_s"] == 10.0
    first = document["figures"]["rates"][0]
    assert first["n"] == len(measured.rates[0].calls) and first["window_s"] == 200
    p50 = first["corrected"][0]
    assert p50["low_ms"] <= p50["ms"] <= p50["high_ms"]
    stored = decoded(document["histograms"]["2 studies/s, corrected"])
    assert stored.get_value_at_percentile(50) / 1e3 == pytest.approx(p50["ms"], rel=2e-3)
    assert draw(path)[0].read_text().count("<svg") == 2
