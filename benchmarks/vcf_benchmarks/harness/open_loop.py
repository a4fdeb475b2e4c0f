# SPDX-License-Identifier: Apache-2.0
"""Calls at scheduled times, whatever the server does.

The time of a call counts from when it was *scheduled*: a generator that waits for a slow server, and so sends fewer
calls while it is slow, would leave out just those that suffer (coordinated omission; G. Tene, wrk2).
"""

import asyncio
from collections.abc import Sequence

from vcf_benchmarks.harness.calls import Ask, Call, Meter, Run, failure_of
from vcf_benchmarks.harness.priority import ahead_of_others


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
            failure = await failure_of(ask, number)
            call = Call(due_s, sent_s, loop.time() - begin_s, failure)
            new_threads_too()
            return call

    tasks: list[asyncio.Task[Call]] = []
    with ahead_of_others() as new_threads_too:
        meter = Meter()
        for number, due_s in enumerate(scheduled_s):
            await asyncio.sleep(begin_s + due_s - loop.time())
            tasks.append(asyncio.create_task(one(number, due_s)))
        calls = await asyncio.gather(*tasks)
        return Run(tuple(calls), *meter.shares())
