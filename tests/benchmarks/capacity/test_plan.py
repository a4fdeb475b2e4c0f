# SPDX-License-Identifier: Apache-2.0
"""Plans made from the curve of a simulated server are held to simulations of as many servers as they name."""

import json
import math

import numpy as np
import pytest

from tests.benchmarks.capacity.curves import measured
from tests.benchmarks.capacity.simulation import in_turn, one_queue, services
from vcf_benchmarks.capacity.plan import (
    DAY,
    Curve,
    Model,
    cpu_target,
    need,
    read_curve,
    refuse_if_unreachable,
)
from vcf_contract.errors import SetupError

N = 60_000
STEPS = Curve((1.0, 2.0, 3.0), (100.0, 120.0, 200.0), (200.0, 300.0, 800.0), (250.0, 500.0, math.inf), 3.5)


def curve_of(scv, mean_s=0.25, shares=(0.05, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)):
    """The curve of one simulated server."""
    times = [one_queue(1, share / mean_s, services(N, mean_s, scv, 5), 7)[1] * 1e3 for share in shares]
    p50, p99 = (tuple(float(np.quantile(each, q)) for each in times) for q in (0.5, 0.99))
    return Curve(tuple(share / mean_s for share in shares), p50, p99, p99, 1 / mean_s)


def test_rate_within_a_bound():
    assert STEPS.within(300) == 2.0
    assert STEPS.within(250) == pytest.approx(1.5)
    assert STEPS.within(550) == pytest.approx(2.5)
    assert STEPS.within(1e9) == 3.0, "nothing is assumed beyond the last rate"
    assert STEPS.within(199) == 0.0
    assert STEPS.within(600, cautious=True) == 2.0, "what may be anything is not counted on"
    assert STEPS.within(240, cautious=True) == 0.0


def test_a_curve_that_dips_is_taken_at_its_worst():
    dips = Curve((1, 2, 3), (90, 90, 90), (300, 200, 400), (300, 200, 400), 4)
    assert dips.within(250) == 0.0
    assert dips.within(350) == pytest.approx(2.5)


@pytest.mark.slow
@pytest.mark.parametrize("scv", [0.1, 1.0])
@pytest.mark.parametrize(("per_hour", "bound_ms"), [(20_000, 2500), (40_000, 2000), (100_000, 3000)])
def test_the_planned_servers_meet_the_bound_in_a_simulation(scv, per_hour, bound_ms):
    """Shared out in turn; and with a tenth fewer servers a random share per server already breaks the bound."""
    curve, mean_s = curve_of(scv), 0.25
    per_server_s = curve.within(bound_ms)
    planned = need(per_hour, per_server_s, spare=0).working
    simulated = in_turn(planned, per_hour / 3600, services(N, mean_s, scv, 11), 13)
    assert np.quantile(simulated, 0.99) * 1e3 <= bound_ms
    fewer = math.floor(planned * 0.85)
    alone = one_queue(1, min(per_hour / 3600 / fewer, 0.999 / mean_s), services(N, mean_s, scv, 17), 19)[1]
    assert np.quantile(alone, 0.99) * 1e3 > bound_ms


@pytest.mark.slow
@pytest.mark.parametrize("scv", [0.1, 1.0])
def test_theory_finds_the_simulated_server_again(scv):
    curve = curve_of(scv)
    model = Model.of(curve)
    assert model.misfit(curve) < 0.12
    pooled = model.servers(10.0, 1500)
    assert pooled is not None
    assert np.quantile(one_queue(pooled, 10.0, services(N, 0.25, scv, 23), 29)[1], 0.99) <= 1.5
    assert pooled <= need(36_000, curve.within(1500), 0).working, "one queue never needs more"


def test_theory_never_promises_what_cannot_be():
    model = Model(0.25, 0.1, 1.0)
    assert math.isinf(model.p99_ms(4.0)) and math.isinf(model.p99_ms(8.1, 2))
    assert model.servers(4.0, 349) is None


@pytest.mark.parametrize(
    ("per_hour", "per_server_s", "working"),
    [(3600, 1.0, 1), (3601, 1.0, 2), (7200, 1.0, 2), (1, 1.0, 1), (3600, 0.3, 4)],
)
def test_servers_for_a_load(per_hour, per_server_s, working):
    found = need(per_hour, per_server_s, spare=2)
    assert (found.working, found.replicas) == (working, working + 2)


def test_a_bound_that_nothing_meets_is_refused_and_one_the_curve_does_not_reach_otherwise():
    with pytest.raises(SetupError, match=r"no number of servers meets a p99 of 90 ms.* more than 100 ms"):
        refuse_if_unreachable(STEPS, 90)
    with pytest.raises(SetupError, match=r"does not reach a p99 of 150 ms.*p99 is 200 ms"):
        refuse_if_unreachable(STEPS, 150)
    refuse_if_unreachable(STEPS, 200)


def test_utilisation_that_stands_the_loss_of_the_spare():
    """Two cores, 0.4 s a study; four pods do 2/s each, so five do 1.6/s: 0.64 of 2 cores; a tenth is the scaler's."""
    curve = Curve((1, 3), (100, 200), (200, 300), (200, 300), 4, cpu_s=0.4, cores=2)
    assert cpu_target(curve, 2.0, need(4 * 7200, 2.0, 1)) == int(32 / 1.1)
    assert cpu_target(STEPS, 2.0, need(4 * 7200, 2.0, 1)) is None


def test_a_measured_curve_is_read(tmp_path):
    curve, broken = read_curve(measured(tmp_path))
    assert curve == Curve((1, 2), (250, 300), (400, 700), (500, math.inf), 2.6, pytest.approx(0.4), 2)
    assert broken == []
    assert read_curve(measured(tmp_path, broken_rules=["it lagged"]))[1] == ["of the curve's own run: it lagged"]


def test_a_plain_curve_is_read(tmp_path):
    path = tmp_path / "curve.json"
    path.write_text(json.dumps([{"rate_per_s": r, "p50_ms": 100, "p99_ms": 100 * r} for r in (3, 1, 2)]))
    curve, _ = read_curve(path)
    assert curve.per_s == (1, 2, 3) and curve.highest_per_s == 3


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "no json",
        '{"kind": "overhead"}',
        '[{"rate_per_s": 1, "p50_ms": 1, "p99_ms": 2}]',
        '[{"rate_per_s": 1, "p50_ms": 3, "p99_ms": 2}, {"rate_per_s": 2, "p50_ms": 3, "p99_ms": 4}]',
        '[{"rate_per_s": 1, "p50_ms": 1, "p99_ms": 2}, {"rate_per_s": 1, "p50_ms": 1, "p99_ms": 2}]',
    ],
)
def test_what_is_no_curve_is_refused(tmp_path, text):
    path = tmp_path / "curve.json"
    path.write_text(text)
    with pytest.raises(SetupError, match="is no curve"):
        read_curve(path)
    with pytest.raises(SetupError, match="run `vcf bench latency"):
        read_curve(tmp_path / "none.json")


def test_the_day_is_quiet_at_night_and_busy_in_the_morning():
    assert len(DAY) == 24 and min(DAY) > 0
    assert max(DAY[8:13]) == max(DAY) and max(DAY[0:5]) < max(DAY) / 2
