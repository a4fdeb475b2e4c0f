# SPDX-License-Identifier: Apache-2.0
"""LoadGen's scenarios as figures, from summaries that were written by hand."""

from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("mlperf_loadgen", reason="LoadGen has no wheel for this Python")

from vcf_benchmarks.harness.distribution import decoded
from vcf_benchmarks.harness.result import Result
from vcf_benchmarks.loadgen import figures
from vcf_benchmarks.loadgen.figures import add_figures


def trial(headline: float, **settings: Any) -> Any:
    summary = SimpleNamespace(headline=headline, entry=lambda: {"headline": headline})
    return SimpleNamespace(summary=summary, settings=settings, latencies_ms=[headline, 2 * headline])


@pytest.fixture(autouse=True)
def made_up_summaries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "summary", lambda one: one.summary)


def measured(**changes: Any) -> Any:
    return SimpleNamespace(
        **{
            "single_stream": trial(111.11111),
            "offline": trial(9.876543),
            "bound_ms": 333.3333,
            "server_per_s": 4.56789,
            "confirmed": True,
            "accuracy": {"SingleStream": (4, 1)},
            "server": [(5.0, trial(300.0, rate=5.0)), (4.56789, trial(250.0, rate=4.56789))],
            **changes,
        }
    )


def test_every_test_has_an_entry_and_a_histogram() -> None:
    result = Result("loadgen", {})
    add_figures(result, measured(), "logs")
    found = result.figures
    assert (found["single_stream_p90_ms"], found["offline_per_s"]) == (111.111, 9.8765)
    assert (found["server_bound_ms"], found["server_per_s"]) == (333.333, 4.5679)
    assert found["accuracy"] == {"SingleStream": {"answers": 4, "wrong": 1}}
    assert [test["name"] for test in found["tests"]] == ["SingleStream", "Offline", "Server 0, 5/s", "Server 1, 4.57/s"]
    assert set(result.histograms) == {test["name"] for test in found["tests"]}
    assert decoded(result.histograms["Server 0, 5/s"]).get_max_value() / 1e3 == pytest.approx(600, rel=1e-2)


def test_no_rate_within_the_bound_is_none() -> None:
    result = Result("loadgen", {})
    add_figures(result, measured(server_per_s=None, server=[], confirmed=False), "logs")
    assert result.figures["server_per_s"] is None and len(result.figures["tests"]) == 2
