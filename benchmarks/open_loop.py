# SPDX-License-Identifier: Apache-2.0
"""Calls at scheduled times, whatever the server does; and calls one after the other, for its highest rate.

The time of a call counts from when it was *scheduled*: a generator that waits for a slow server, and so sends fewer
calls while it is slow, would leave out just those that suffer (coordinated omission; G. Tene, wrk2).
"""

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from vcf.errors import VcfError

Ask = Callable[[int], Awaitable[str | None]]
"""Make call number i; None, or what is wrong with its answer. Errors of `vcf.errors` are failures of the call."""

SWITCH_S = 0.0005
"""How long a thread that prepares a study may keep Python's lock while a call is due; by default 5 ms."""
AHEAD = 10
"""Steps of niceness by which the process that sends goes before the server's."""
WRONG = "WRONG"
"""Outcome of a call whose answer is not the reference's."""


@dataclass(frozen=True)
class Call:
    """One call; times in seconds since the run's beginning. ``failure`` is None, WRONG or an error's code."""

    scheduled_s: float
    sent_s: float
    done_s: float
    failure: str | None = None

    @property
    def corrected_ms(self) -> float:
        """From the scheduled time."""
        return (self.done_s - self.scheduled_s) * 1e3

    @property
    def uncorrected_ms(self) -> float:
        """From the time it was sent."""
        return (self.done_s - self.sent_s) * 1e3

    @property
    def lag_ms(self) -> float:
        """How late it was sent."""
        return (self.sent_s - self.scheduled_s) * 1e3


@dataclass(frozen=True)
class Run:
    """Calls in order of schedule, and what making them cost this process.

    loop_share
        Processor time of the thread that sends, over wall time: near 1 it is the bottleneck.
    cores
        Processor time of the whole process, preparation of studies included, over wall time.
    """

    calls: tuple[Call, ...]
    loop_share: float
    cores: float


async def open_loop(scheduled_s: Sequence[float], ask: Ask, most_in_flight: int) -> Run:
    """Make each call at its time; beyond ``most_in_flight`` unanswered ones a call waits, and its latency counts that.

    The bound keeps a generator whose server falls ever further behind from filling the memory.
    """
    loop = asyncio.get_running_loop()
    room = asyncio.Semaphore(most_in_flight)
    begin_s = loop.time()

    async def one(number: int, due_s: float) -> Call:
        async with room:
            sent_s = loop.time() - begin_s
            failure = await _failure(ask, number)
            call = Call(due_s, sent_s, loop.time() - begin_s, failure)
            new_threads_too()
            return call

    tasks: list[asyncio.Task[Call]] = []
    with _prompt() as new_threads_too:
        meter = _Meter()
        for number, due_s in enumerate(scheduled_s):
            await asyncio.sleep(begin_s + due_s - loop.time())
            tasks.append(asyncio.create_task(one(number, due_s)))
        calls = await asyncio.gather(*tasks)
        return Run(tuple(calls), *meter.shares())


@contextmanager
def _prompt() -> Iterator[Callable[[], None]]:
    """This process keeps its schedule: its threads go before those of a server that fills all cores.

    All of them, for one that waits with Python's lock in its hands holds up the one that sends. That one gets a core
    as soon as a call is due (`SCHED_FIFO`): whatever its niceness, Linux since 6.6 lets another thread end its slice of
    some milliseconds first. Threads that it makes inherit none of this: what is yielded is for them. Without the right
    to do so (root, CAP_SYS_NICE) it goes on: the generator's lag is measured in any case.
    """
    before_s = sys.getswitchinterval()
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    try:
        sys.setswitchinterval(SWITCH_S)
        _set_nice(nice - AHEAD)
        with _at_once():
            yield partial(_set_nice, nice - AHEAD)
    finally:
        _set_nice(nice)
        sys.setswitchinterval(before_s)


@contextmanager
def _at_once() -> Iterator[None]:
    """This thread waits for no other of an ordinary priority; the threads that it makes do not inherit that."""
    if not hasattr(os, "SCHED_RESET_ON_FORK"):
        yield
        return
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        with suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
        yield
    finally:
        os.sched_setscheduler(0, *before)


def may_go_first() -> bool:
    """Whether `open_loop` has that right here."""
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    try:
        os.setpriority(os.PRIO_PROCESS, 0, nice - AHEAD)
        os.setpriority(os.PRIO_PROCESS, 0, nice)
    except PermissionError:
        return False
    return True


def _set_nice(nice: int) -> None:
    """Of all threads of this process: on Linux each has its own, and a new one has that of the thread that made it."""
    with suppress(FileNotFoundError):  # another system
        for thread in Path("/proc/self/task").iterdir():
            with suppress(PermissionError, ProcessLookupError):
                os.setpriority(os.PRIO_PROCESS, int(thread.name), nice)


async def closed_loop(ask: Ask, in_flight: int, seconds: float) -> Run:
    """So many callers, each with its next call when the last one is answered. Scheduled is when it is sent."""
    loop = asyncio.get_running_loop()
    begin_s = loop.time()
    calls: list[Call] = []

    async def caller(number: int) -> None:
        while (sent_s := loop.time() - begin_s) < seconds:
            failure = await _failure(ask, number)
            calls.append(Call(sent_s, sent_s, loop.time() - begin_s, failure))
            number += in_flight

    meter = _Meter()
    await asyncio.gather(*(caller(number) for number in range(in_flight)))
    return Run(tuple(sorted(calls, key=lambda call: call.scheduled_s)), *meter.shares())


def rate_per_s(run: Run) -> float:
    """Answers a second of a closed loop."""
    return len(run.calls) / max(call.done_s for call in run.calls)


async def _failure(ask: Ask, number: int) -> str | None:
    try:
        return await ask(number)
    except VcfError as error:
        return error.code


class _Meter:
    def __init__(self) -> None:
        self._began = time.perf_counter(), time.thread_time(), time.process_time()

    def shares(self) -> tuple[float, float]:
        wall, thread, process = self._began
        seconds = max(time.perf_counter() - wall, 1e-9)
        return (time.thread_time() - thread) / seconds, (time.process_time() - process) / seconds
