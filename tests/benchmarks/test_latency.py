# SPDX-License-Identifier: Apache-2.0
"""The ladder of rates against a queue with one server and constant service, whose mean wait is known."""

import json

import numpy as np
import pytest

from benchmarks import latency_page
from benchmarks.arrivals import poisson
from benchmarks.distribution import decoded
from benchmarks.latency_measure import AtRate, Measured, Plan, counted
from benchmarks.open_loop import WRONG, Call, Run
from benchmarks.result import Result
from benchmarks.validity import Watch

SERVICE_S = 0.1
PLAN = Plan(window_s=200, least_arrivals=20, warm_up_s=50, estimate_s=1, most_in_flight=64, seed=1)


def queue(rate: float, plan: Plan = PLAN, *, lag_s: float = 0.0, failure: str | None = None) -> AtRate:
    """M/D/1: Poisson arrivals, one server, ``SERVICE_S`` for each."""
    free, calls = 0.0, []
    for at in poisson(rate, plan.edges_s(rate)[-1], plan.seed).tolist():
        free = max(at + lag_s, free) + SERVICE_S
        calls.append(Call(at, at + lag_s, free, failure))
    return counted(rate, Run(tuple(calls), 0.02, 0.3), plan, 1.5)


def test_mean_latency_is_pollaczeks_and_khinchines() -> None:
    load = 0.7
    found = np.mean(queue(load / SERVICE_S, Plan(5000, 20, 100, 1, 64, 2)).corrected_ms)
    assert found == pytest.approx(1e3 * SERVICE_S * (1 + load / (2 * (1 - load))), rel=0.05)


def test_warm_up_is_left_out_and_the_rest_is_in_three_windows() -> None:
    rate = queue(5.0)
    assert len(rate.windows) == 3
    assert min(call.scheduled_s for call in rate.calls) >= 50
    for number, window in enumerate(rate.windows):
        assert all(50 + 200 * number <= call.scheduled_s < 250 + 200 * number for call in window)
    assert len(rate.calls) == sum(map(len, rate.windows)) == pytest.approx(3000, abs=220)


def test_few_arrivals_make_a_window_longer() -> None:
    assert PLAN.edges_s(0.05) == [50, 450, 850, 1250]
    assert PLAN.edges_s(5.0) == [50, 250, 450, 650]


def test_knee_is_where_rate_over_mean_latency_is_largest() -> None:
    loads = np.arange(0.1, 0.96, 0.05).tolist()
    measured = Measured({1: 10.0}, [queue(load / SERVICE_S) for load in loads])
    # M/D/1: the derivative of ρ / (1 + ρ / (2 (1 − ρ))) is 0 at 2 − √2.
    assert measured.knee is not None
    assert measured.knee.rate_per_s * SERVICE_S == pytest.approx(2 - 2**0.5, abs=0.1)


def test_overload_is_no_knee_and_breaks_no_rule_but_a_wrong_answer_does() -> None:
    slow, over = queue(5.0), queue(13.0)
    assert slow.kept_up and not over.kept_up
    assert slow.broken == [] and "unstable" in over.broken[0]
    assert Measured({1: 10.0}, [slow, over]).broken == []
    mistaken = queue(13.0, failure=WRONG)
    assert "differ from the reference" in Measured({1: 10.0}, [slow, mistaken]).broken[0]


def test_chance_is_no_instability_and_a_change_is() -> None:
    """A queue near its limit varies between windows; a server that becomes slower by a fifth is another thing."""
    assert queue(9.0, Plan(60, 20, 10, 1, 64, 1)).unstable is None
    steady = [Call(at, at, at + (0.1 if at < 400 else 0.12) + 0.001 * (at % 1)) for at in np.arange(0.05, 650, 0.31)]
    assert "20%" in (counted(3.2, Run(tuple(steady), 0.0, 0.0), PLAN, None).unstable or "")


def test_rules_name_the_rate() -> None:
    lagging = Measured({1: 10.0}, [queue(5.0, lag_s=0.05)]).broken
    assert len(lagging) == 1 and lagging[0].startswith("5/s: the generator lagged 50.0 ms")
    assert "none of the rates" in Measured({1: 10.0}, [queue(13.0)]).broken[0]
    assert "throttled" in Measured({1: 10.0}, [queue(5.0)], Watch(0.0, 0.5)).broken[0]


def test_page_and_json_have_every_rate(tmp_path) -> None:
    measured = Measured({1: 8.0, 2: 10.0}, [queue(2.0), queue(7.0), queue(9.0)])
    result = Result("latency", PLAN.settings())
    latency_page.fill(result, measured, PLAN)
    path = result.write(tmp_path / "latency.json")
    document = json.loads(path.read_text())
    assert document["figures"]["highest_per_s"] == 10.0
    first = document["figures"]["rates"][0]
    assert first["n"] == len(measured.rates[0].calls) and first["window_s"] == 200
    p50 = first["corrected"][0]
    assert p50["low_ms"] <= p50["ms"] <= p50["high_ms"]
    stored = decoded(document["histograms"]["2 studies/s, corrected"])
    assert stored.get_value_at_percentile(50) / 1e3 == pytest.approx(p50["ms"], rel=2e-3)
    assert path.with_suffix(".html").read_text().count("<svg") == 2
