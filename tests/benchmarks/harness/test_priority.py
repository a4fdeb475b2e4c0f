# SPDX-License-Identifier: Apache-2.0
import os
import sys
import threading

import pytest

from tests.benchmarks.harness.virtual_time import run
from vcf_benchmarks.harness import priority
from vcf_benchmarks.harness.open_loop import open_loop
from vcf_benchmarks.harness.priority import AHEAD


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


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no niceness of their own")
def test_whether_that_is_allowed_is_known_and_asking_changes_nothing() -> None:
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    assert priority.allowed() == (_when_first(nice) < nice or nice - AHEAD < -20)
    assert os.getpriority(os.PRIO_PROCESS, 0) == nice
