# SPDX-License-Identifier: Apache-2.0
"""The formulas against textbook values and against simulated queues."""

import math

import numpy as np
import pytest

from tests.benchmarks.capacity.simulation import one_queue, services
from vcf_benchmarks.capacity.queueing import erlang_c, mean_wait_s, wait_quantile_s


def test_one_server_waits_as_often_as_it_is_busy():
    assert erlang_c(1, 0.7) == pytest.approx(0.7)


@pytest.mark.parametrize(("servers", "load"), [(2, 1.5), (5, 4.0), (10, 3.0), (40, 36.0)])
def test_erlang_by_its_sum(servers, load):
    waiting = load**servers / math.factorial(servers) * servers / (servers - load)
    assert erlang_c(servers, load) == pytest.approx(
        waiting / (sum(load**n / math.factorial(n) for n in range(servers)) + waiting)
    )


def test_many_servers_are_no_matter():
    assert 0 < erlang_c(2000, 1950) < 1


@pytest.mark.parametrize("load", [-0.1, 3.0, 4.0])
def test_more_load_than_servers(load):
    with pytest.raises(ValueError, match="load is"):
        erlang_c(3, load)


@pytest.mark.parametrize("scv", [0.0, 0.3, 1.0, 2.0])
@pytest.mark.parametrize(("servers", "per_s"), [(1, 0.8), (4, 3.4)])
def test_waits_of_simulated_queues(servers, per_s, scv):
    """Exact for one server; Allen and Cunneen's formula for several is an approximation, good in heavy traffic."""
    waits, _ = one_queue(servers, per_s, services(150_000, 1.0, scv, seed=3))
    assert mean_wait_s(servers, per_s, 1.0, scv) == pytest.approx(waits.mean(), rel=0.08 if servers == 1 else 0.12)
    found = wait_quantile_s(servers, per_s, 1.0, scv, 0.99)
    assert found == pytest.approx(np.quantile(waits, 0.99), rel=0.15)


def test_hardly_any_load_means_no_wait():
    assert wait_quantile_s(3, 0.01, 1.0, 1.0, 0.99) == 0.0
