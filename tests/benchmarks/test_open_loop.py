# SPDX-License-Identifier: Apache-2.0
"""The generator against servers whose latencies are known: one at a time, first come first served."""

import asyncio
import os
import sys
import threading

import numpy as np
import pytest

from benchmarks.arrivals import poisson
from benchmarks.open_loop import AHEAD, WRONG, closed_loop, open_loop, rate_per_s
from tests.benchmarks.virtual_time import run
from vcf.errors import Overloaded

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


def test_a_closed_loop_finds_the_highest_rate() -> None:
    async def measure(in_flight: int):
        gates = asyncio.Semaphore(2)  # a server of two cores

        async def ask(number: int) -> None:
            async with gates:
                await asyncio.sleep(SERVICE_S)

        return await closed_loop(ask, in_flight, 2.0)

    assert rate_per_s(run(measure(1))) == pytest.approx(100, rel=0.02)
    assert rate_per_s(run(measure(4))) == pytest.approx(200, rel=0.02)


def test_wrong_answers_and_errors_are_told_apart() -> None:
    async def ask(number: int) -> str | None:
        if number == 1:
            raise Overloaded("full")
        return WRONG if number == 2 else None

    calls = run(open_loop([0.1, 0.2, 0.3], ask, 5)).calls
    assert [call.failure for call in calls] == [None, "OVERLOADED", WRONG]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no niceness of their own")
def test_threads_go_first_while_calls_are_due_and_no_longer() -> None:
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    ahead = _when_first(nice)
    seen: list[int] = []
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait, daemon=True)
    thread.start()

    async def ask(number: int) -> None:
        seen.extend(os.getpriority(os.PRIO_PROCESS, int(t)) for t in (0, thread.native_id))

    run(open_loop([0.1], ask, 1))
    after = [os.getpriority(os.PRIO_PROCESS, int(t)) for t in (0, thread.native_id)]
    stop.set()
    thread.join()
    assert seen == [ahead] * 2
    assert after == [nice, nice]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no scheduler of their own")
def test_the_sending_thread_gets_a_core_at_once_and_its_new_threads_do_not() -> None:
    before = os.sched_getscheduler(0)
    asked = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
    try:
        os.sched_setscheduler(0, asked, os.sched_param(1))
        os.sched_setscheduler(0, before, os.sched_param(0))
    except PermissionError:
        asked = before
    seen: list[int] = []

    async def ask(number: int) -> None:
        seen.append(os.sched_getscheduler(0))
        thread = threading.Thread(target=lambda: seen.append(os.sched_getscheduler(0)))
        thread.start()
        thread.join()

    run(open_loop([0.1], ask, 1))
    assert seen == [asked, before]
    assert os.sched_getscheduler(0) == before


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no niceness of their own")
def test_threads_made_meanwhile_go_first_for_the_next_call() -> None:
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait, daemon=True)
    seen: list[int] = []

    async def ask(number: int) -> None:
        if number:
            seen.append(os.getpriority(os.PRIO_PROCESS, thread.native_id or 0))
        else:
            thread.start()

    run(open_loop([0.1, 0.2], ask, 1))
    stop.set()
    thread.join()
    assert seen == [_when_first(nice)]


def _when_first(nice: int) -> int:
    try:
        os.setpriority(os.PRIO_PROCESS, 0, nice - AHEAD)
    except PermissionError:
        return nice
    granted = os.getpriority(os.PRIO_PROCESS, 0)
    os.setpriority(os.PRIO_PROCESS, 0, nice)
    return granted


def test_an_error_of_the_benchmark_itself_ends_it() -> None:
    async def ask(number: int) -> str | None:
        raise KeyError("a mistake")

    with pytest.raises(KeyError):
        run(open_loop([0.1], ask, 1))
