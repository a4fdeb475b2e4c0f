# SPDX-License-Identifier: Apache-2.0
"""One server, alone, at saturation, under several times that, and after it."""

import asyncio
import os
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from typing import Any

from vcf_benchmarks.harness.answers import Reference
from vcf_benchmarks.harness.arrivals import poisson
from vcf_benchmarks.harness.calls import WRONG, Ask, Call
from vcf_benchmarks.harness.closed_loop import closed_loop_async
from vcf_benchmarks.harness.memory import Meter, server_processes
from vcf_benchmarks.harness.open_loop import open_loop
from vcf_benchmarks.harness.served import Served, asking
from vcf_benchmarks.harness.studies import library
from vcf_client import AsyncVcfClient, VcfClient
from vcf_client.calls import Blocking, finish
from vcf_client.endpoint import Connection, Endpoint
from vcf_client.faults import Fault
from vcf_client.retry import NO_RETRY
from vcf_client.study import Study
from vcf_contract.contract import Priority
from vcf_contract.errors import Overloaded, VcfError

CALLERS = 4
"""Of the closed loop at saturation: as many as keep the server at its highest rate."""
SETTLE_S = 5.0
"""How long the server is left alone before its memory is read again."""
URGENT_EVERY_S, QUESTIONS = 1.0, 10
"""Pause between two urgent studies, which are no load of their own, and how often room is asked for in it."""


@dataclass(frozen=True)
class Plan:
    """The length of each part of a run."""

    seconds: float
    alone: int
    times: float
    most_in_flight: int
    slices: int
    studies: int
    transport: str
    seed: int

    def settings(self) -> dict[str, Any]:
        """Return the plan as the JSON has it."""
        return asdict(self)


@dataclass
class Beside:
    """Tell what a caller sees whose process does nothing else; times in ms.

    urgent_ms, failures
        Of urgent studies one at a time, and codes of those that failed.
    refused_ms
        Of the question whether there is room for a routine study, where the answer was no.
    """

    urgent_ms: list[float]
    failures: list[str]
    refused_ms: list[float]


@dataclass
class Measured:
    """Tell what became of all studies; times in ms, in order of schedule."""

    urgent_alone_ms: list[float]
    highest_per_s: float
    saturation: tuple[Call, ...]
    overload: tuple[Call, ...]
    beside: Beside
    usual_ms: list[float]
    next_ms: float
    before_bytes: int
    peak_bytes: int
    after_bytes: int
    bytes_sent: int
    loop_share: float

    @property
    def failures(self) -> list[str | None]:
        """Tell what was wrong with each answer of both loads; refusals for load are none."""
        found: list[str | None] = [
            None if call.failure == Overloaded.code else call.failure for call in (*self.saturation, *self.overload)
        ]
        return found + list(self.beside.failures)


def accepted_ms(calls: Sequence[Call]) -> list[float]:
    """Latencies of the studies that were answered."""
    return [call.uncorrected_ms for call in calls if call.failure in (None, WRONG)]


def refused_ms(calls: Sequence[Call]) -> list[float]:
    """Times to the refusals for load."""
    return [call.uncorrected_ms for call in calls if call.failure == Overloaded.code]


def beside_studies(address: str, plan: Plan, until: float | None, count: int | None) -> Beside:
    """Send urgent studies one at a time, and ask for room between them, in a process of its own.

    Parameters
    ----------
    until
        ``time.time`` after which no other is begun; None for a number of them, and no questions.
    """
    studies = library(plan.slices, plan.studies)
    found = Beside([], [], [])
    endpoint = Endpoint(address, Connection(), Blocking())
    with VcfClient(address, transport=plan.transport, retry=NO_RETRY, priority=Priority.URGENT) as client:
        client.analyze(studies[0])
        while time.time() < until if until is not None else len(found.urgent_ms) < (count or 0):
            started = time.perf_counter()
            try:
                client.analyze(studies[len(found.urgent_ms) % len(studies)])
            except VcfError as error:
                found.failures.append(error.code)
            found.urgent_ms.append((time.perf_counter() - started) * 1e3)
            for _ in range(QUESTIONS if until is not None else 0):
                refused_ms = finish(ask_for_room(endpoint))
                found.refused_ms += [] if refused_ms is None else [refused_ms]
                time.sleep(URGENT_EVERY_S / QUESTIONS)
    finish(endpoint.close())
    return found


async def ask_for_room(endpoint: Endpoint) -> float | None:
    """Ask for room for a routine study, and give it back; ms until the answer no, None after a yes."""
    request_id, started = uuid.uuid4().hex, time.perf_counter()
    try:
        await endpoint.admit(request_id, Priority.ROUTINE, 5.0)
    except Fault as fault:
        if isinstance(fault.error, Overloaded):
            return (time.perf_counter() - started) * 1e3
        raise fault.error from None
    await endpoint.leave(request_id)
    return None


async def measure(
    server: Served, studies: Sequence[Study], right: Sequence[Reference], plan: Plan, say: Callable[[str], None]
) -> Measured:
    """Run all parts in turn, with the urgent studies from another process beside the overload."""
    loop = asyncio.get_running_loop()
    assert server.pid is not None
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as beside:
        say("urgent studies alone")
        alone = await loop.run_in_executor(beside, beside_studies, server.address, plan, None, plan.alone)
        async with AsyncVcfClient(server.address, transport=plan.transport, retry=NO_RETRY) as client:
            ask = asking(client, studies, right, plan.seed)
            say("one study at a time")
            usual_ms = [await timed(ask, number) for number in range(plan.alone)]
            say("saturation")
            closed = await closed_loop_async(ask, CALLERS, plan.seconds)
            answered = [call for call in closed.calls if call.failure is None]
            highest_per_s = len(answered) / max(call.done_s for call in closed.calls)
            say(f"{plan.times:g} times {highest_per_s:.2f} studies/s")
            await asyncio.sleep(SETTLE_S)
            processes = server_processes(server.pid)
            with Meter(processes, f"vcf-{os.getpid()}-", every_s=0.1) as memory:
                callers: Future[Beside] = beside.submit(
                    beside_studies, server.address, plan, time.time() + plan.seconds, None
                )
                overload = await open_loop(
                    poisson(plan.times * highest_per_s, plan.seconds, plan.seed + 1).tolist(), ask, plan.most_in_flight
                )
                next_ms = await timed(ask, 0)
                seen_beside = await asyncio.wrap_future(callers)
            await asyncio.sleep(SETTLE_S)
            with Meter(processes, f"vcf-{os.getpid()}-") as after:
                pass
            bytes_sent = (await client.analyze(studies[0])).bytes_sent
    return Measured(
        alone.urgent_ms,
        highest_per_s,
        closed.calls,
        overload.calls,
        seen_beside,
        usual_ms,
        next_ms,
        memory.before_total_bytes,
        memory.peak_total_bytes,
        after.before_total_bytes,
        bytes_sent,
        overload.loop_share,
    )


async def timed(ask: Ask, number: int) -> float:
    """Return how long one study takes, in ms; its error if it fails."""
    started = time.perf_counter()
    answer: Awaitable[str | None] = ask(number)
    await answer
    return (time.perf_counter() - started) * 1e3
