# SPDX-License-Identifier: Apache-2.0
"""The generator against servers whose latencies are known: one at a time, first come first served."""

import asyncio

import numpy as np
import pytest

from tests.benchmarks.harness.virtual_time import run
from vcf_benchmarks.harness.arrivals import poisson
from vcf_benchmarks.harness.calls import WRONG
from vcf_benchmarks.harness.open_loop import open_loop
from vcf_contract.errors import Overloaded

SERVICE_S = 0.01
STALL_AT_S, STALL_S = 2.0, 1.0


class Server:
    """Takes 10 ms a call, and none for a second after two seconds."""

    def __init__(self) -> None:
        self._one = asyncio.Lock()

    async def __call__(self, number: int) -> None:
        loop = asyncio.get_running_loop()
        async with self._one:
            if STALL_AT_S <= loop.time() < STALL_AT_S + STALL_S:
                await asyncio.sleep(STALL_AT_S + STALL_S - loop.time())
            await asyncio.sleep(SERVICE_S)


def truth_ms(scheduled: np.ndarray) -> np.ndarray:
    """Lindley's recursion with the stall."""
    free, found = 0.0, []
    for at in scheduled:
        start = max(at, free)
        if STALL_AT_S <= start < STALL_AT_S + STALL_S:
            start = STALL_AT_S + STALL_S
        free = start + SERVICE_S
        found.append((free - at) * 1e3)
    return np.array(found)


async def _measure(scheduled: np.ndarray, most_in_flight: int):
    return await open_loop(scheduled.tolist(), Server(), most_in_flight)


@pytest.mark.parametrize("most_in_flight", [1, 1000])
def test_corrected_latency_is_the_truth_however_many_may_be_in_flight(most_in_flight: int) -> None:
    scheduled = poisson(50, 6, seed=1)
    calls = run(_measure(scheduled, most_in_flight)).calls
    np.testing.assert_allclose([call.corrected_ms for call in calls], truth_ms(scheduled), atol=0.5)


def test_uncorrected_latency_of_a_generator_that_waits_hides_the_stall() -> None:
    scheduled = poisson(50, 6, seed=1)
    truth = truth_ms(scheduled)
    waiting = run(_measure(scheduled, 1)).calls
    free = run(_measure(scheduled, 1000)).calls
    assert np.percentile(truth, 90) > 700
    assert np.percentile([call.uncorrected_ms for call in waiting], 90) < 11
    assert sum(call.uncorrected_ms > 500 for call in waiting) == 1  # the one that met the stall
    assert np.percentile([call.lag_ms for call in waiting], 90) > 690
    assert max(call.lag_ms for call in free) < 0.5
    np.testing.assert_allclose([call.uncorrected_ms for call in free], truth, atol=0.5)


def test_wrong_answers_and_errors_are_told_apart() -> None:
    async def ask(number: int) -> str | None:
        if number == 1:
            raise Overloaded("full")
        return WRONG if number == 2 else None

    calls = run(open_loop([0.1, 0.2, 0.3], ask, 5)).calls
    assert [call.failure for call in calls] == [None, "OVERLOADED", WRONG]


def test_an_error_of_the_benchmark_itself_ends_it() -> None:
    async def ask(number: int) -> str | None:
        raise KeyError("a mistake")

    with pytest.raises(KeyError):
        run(open_loop([0.1], ask, 1))
