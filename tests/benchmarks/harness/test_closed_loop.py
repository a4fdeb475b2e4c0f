# SPDX-License-Identifier: Apache-2.0
import asyncio
import threading
import time

import pytest

from tests.benchmarks.harness.virtual_time import run
from vcf_benchmarks.harness.calls import Call
from vcf_benchmarks.harness.closed_loop import Loop, closed_loop, closed_loop_async

SERVICE_S = 0.01


def test_rate_counts_shares_of_studies() -> None:
    """Back to back, a second each, from half a second before the clock: two a second by two callers."""
    loop = Loop(2, 3.0, [0.5, 0.5, 1.5, 1.5, 2.5, 2.5, 3.5, 3.5], [1000.0] * 8)
    assert loop.per_s == pytest.approx(2.0)
    assert loop.windows == pytest.approx([2.0, 2.0, 2.0])
    assert Loop(1, 3.0, [1.0], [1000.0]).windows == pytest.approx([1.0, 0.0, 0.0])


def test_so_many_calls_at_once_and_the_rate_of_sleepers() -> None:
    now = most = 0
    lock = threading.Lock()

    def call() -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.05)
        with lock:
            now -= 1

    loop = closed_loop(call, at_once=3, seconds=0.6, warm_up_s=0.1)
    assert most == 3
    # No call takes less than it sleeps, however busy the machine.
    assert 0 < loop.per_s <= 3 / 0.05 * 1.001
    assert min(loop.latencies_ms) >= 50
    assert loop.ended_s == sorted(loop.ended_s) and loop.ended_s[0] > 0


def test_the_error_of_a_caller_ends_the_loop() -> None:
    def call() -> None:
        raise ValueError("no answer")

    with pytest.raises(ValueError, match="no answer"):
        closed_loop(call, at_once=2, seconds=10**6)  # this test would not end


def test_a_closed_loop_finds_the_highest_rate() -> None:
    async def measure(in_flight: int) -> float:
        gates = asyncio.Semaphore(2)  # a server of two cores

        async def ask(number: int) -> None:
            async with gates:
                await asyncio.sleep(SERVICE_S)

        found = await closed_loop_async(ask, in_flight, 2.0)
        return Loop.of(found.calls, in_flight, 2.0).per_s

    assert run(measure(1)) == pytest.approx(100, rel=0.02)
    assert run(measure(4)) == pytest.approx(200, rel=0.02)


def test_a_loop_of_calls_has_them_in_the_order_of_their_answers() -> None:
    loop = Loop.of([Call(0.0, 0.0, 2.0), Call(0.5, 0.5, 1.0)], 2, 2.0)
    assert loop.ended_s == [1.0, 2.0] and loop.latencies_ms == [500.0, 2000.0]
    assert loop.per_s == pytest.approx(1.0)
