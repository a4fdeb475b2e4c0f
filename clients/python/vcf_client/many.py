# SPDX-License-Identifier: Apache-2.0
"""Many studies, some at a time, their outcomes in order."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from vcf_client.findings import Findings

S = TypeVar("S")

Done = Callable[[int], None]
"""A function that is called with the number of studies done."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of one study: either findings or an error.

    number
        Place among the studies, from 0.
    error
        A ``vcf_contract.errors.VcfError``; anything else is a defect, which is no reason to lose the other studies
        either.
    """

    number: int
    findings: Findings | None = None
    error: Exception | None = None

    def result(self) -> Findings:
        """The findings; raises the error if there are none."""
        if self.findings is None:
            assert self.error is not None
            raise self.error
        return self.findings


def in_threads(
    analyze: Callable[[S], Findings], studies: Iterable[S], concurrency: int, progress: Done | None
) -> Generator[Outcome, None, None]:
    """Outcomes in order, from at most ``concurrency`` threads; as many studies are taken in advance, no more."""
    _check(concurrency)

    def one(number: int, study: S) -> Outcome:
        try:
            return Outcome(number, analyze(study))
        except Exception as error:
            return Outcome(number, error=error)

    def outcomes() -> Generator[Outcome, None, None]:
        waiting: deque[Future[Outcome]] = deque()
        with ThreadPoolExecutor(concurrency, thread_name_prefix="vcf-study") as pool:
            try:
                for number, study in enumerate(studies):
                    waiting.append(pool.submit(one, number, study))
                    if len(waiting) == concurrency:
                        yield _notified(waiting.popleft().result(), progress)
                while waiting:
                    yield _notified(waiting.popleft().result(), progress)
            finally:
                for future in waiting:
                    future.cancel()

    return outcomes()


def in_tasks(
    analyze: Callable[[S], Awaitable[Findings]], studies: Iterable[S], concurrency: int, progress: Done | None
) -> AsyncGenerator[Outcome, None]:
    """Outcomes in order, from at most ``concurrency`` tasks; as many studies are taken in advance, no more."""
    _check(concurrency)

    async def one(number: int, study: S) -> Outcome:
        try:
            return Outcome(number, await analyze(study))
        except Exception as error:
            return Outcome(number, error=error)

    async def outcomes() -> AsyncGenerator[Outcome, None]:
        waiting: deque[asyncio.Task[Outcome]] = deque()
        try:
            for number, study in enumerate(studies):
                waiting.append(asyncio.create_task(one(number, study)))
                if len(waiting) == concurrency:
                    yield _notified(await waiting.popleft(), progress)
            while waiting:
                yield _notified(await waiting.popleft(), progress)
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    return outcomes()


def _notified(outcome: Outcome, progress: Done | None) -> Outcome:
    if progress:
        progress(outcome.number + 1)
    return outcome


def _check(concurrency: int) -> None:
    if concurrency < 1:
        raise ValueError(f"concurrency is {concurrency!r}, it must be at least 1")
