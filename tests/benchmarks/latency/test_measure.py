# SPDX-License-Identifier: Apache-2.0
"""Rising rates against a queue with one server and constant service, whose mean wait is known."""

import numpy as np
import pytest

from tests.benchmarks.latency.single_server import PLAN, SERVICE_S, queue
from vcf_benchmarks.harness.calls import WRONG, Call, Run
from vcf_benchmarks.harness.validity import Watch
from vcf_benchmarks.latency.measure import Measured, Plan, counted
from vcf_contract.errors import UsageError


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


def test_an_empty_window_says_which_options_help() -> None:
    calls = tuple(Call(at, at, at + 0.1) for at in (60.0, 300.0))
    with pytest.raises(UsageError, match="no study arrived in a window: give a longer --window, or a larger --least"):
        counted(5.0, Run(calls, 0.0, 0.0), PLAN, None)


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
