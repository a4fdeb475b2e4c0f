# SPDX-License-Identifier: Apache-2.0
"""Closed loops: so many callers, each sending its next study when the last one is answered.

A closed loop says nothing about latency under a given load, for it slows down with what it measures. There is one for
blocking calls, in threads, and one for coroutines.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from vcf_benchmarks.harness.calls import Ask, Call, Meter, Run, failure_of

WINDOWS = 3


@dataclass(frozen=True)
class Loop:
    """The studies of one loop.

    ended_s
        When each study was answered, counted from the end of the warm-up, ascending.
    latencies_ms
        Of the same studies.
    """

    at_once: int
    seconds: float
    ended_s: list[float]
    latencies_ms: list[float]

    @classmethod
    def of(cls, calls: Sequence[Call], at_once: int, seconds: float) -> "Loop":
        """Make a loop of the calls of `closed_loop_async`."""
        done = sorted(calls, key=lambda call: call.done_s)
        return cls(at_once, seconds, [call.done_s for call in done], [call.uncorrected_ms for call in done])

    @property
    def per_s(self) -> float:
        """Studies answered a second."""
        return self.rate(0, self.seconds)

    @property
    def windows(self) -> list[float]:
        """The rate in each of three equal parts of the run."""
        edges = np.linspace(0, self.seconds, WINDOWS + 1)
        return [self.rate(start, end) for start, end in pairwise(edges)]

    def rate(self, start_s: float, end_s: float) -> float:
        """Return studies a second between two times, the share of each study that lies within counted.

        Whole studies would make a window's rate jump by one in the few that it holds.
        """
        done = 0.0
        for ended, latency_ms in zip(self.ended_s, self.latencies_ms, strict=True):
            began = ended - latency_ms / 1e3
            done += max(0.0, min(ended, end_s) - max(began, start_s)) / (ended - began)
        return done / (end_s - start_s)


def closed_loop(call: Callable[[], object], at_once: int, seconds: float, warm_up_s: float = 1.0) -> Loop:
    """Keep ``at_once`` calls going for ``seconds`` after a warm-up.

    The first error of any caller ends the loop and is raised. Calls that are under way when the time is over are
    waited for: their share within it counts.
    """
    began = time.perf_counter() + warm_up_s
    until = began + seconds
    answered: list[tuple[float, float]] = []
    errors: list[BaseException] = []

    def caller() -> None:
        try:
            while (started := time.perf_counter()) < until and not errors:
                call()
                answered.append((time.perf_counter(), started))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=caller, daemon=True) for _ in range(at_once)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    counted = sorted(pair for pair in answered if pair[0] > began)
    return Loop(
        at_once, seconds, [ended - began for ended, _ in counted], [(ended - start) * 1e3 for ended, start in counted]
    )


async def closed_loop_async(ask: Ask, in_flight: int, seconds: float) -> Run:
    """Keep so many calls going for ``seconds``, each caller's next when its last one is answered.

    Scheduled is when a call is sent. Failed calls are calls too.
    """
    loop = asyncio.get_running_loop()
    begin_s = loop.time()
    calls: list[Call] = []

    async def caller(number: int) -> None:
        while (sent_s := loop.time() - begin_s) < seconds:
            failure = await failure_of(ask, number)
            calls.append(Call(sent_s, sent_s, loop.time() - begin_s, failure))
            number += in_flight

    meter = Meter()
    await asyncio.gather(*(caller(number) for number in range(in_flight)))
    return Run(tuple(sorted(calls, key=lambda call: call.scheduled_s)), *meter.shares())
