# SPDX-License-Identifier: Apache-2.0
"""Calls of a load generator: what each was, and what making them cost."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from vcf_contract.errors import VcfError

Ask = Callable[[int], Awaitable[str | None]]
"""Make call number i; None, or what is wrong with its answer. Errors of `vcf_contract.errors` are failed calls."""
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
        """Latency from the scheduled time."""
        return (self.done_s - self.scheduled_s) * 1e3

    @property
    def uncorrected_ms(self) -> float:
        """Latency from the time it was sent."""
        return (self.done_s - self.sent_s) * 1e3

    @property
    def lag_ms(self) -> float:
        """Time by which it was sent late."""
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


async def failure_of(ask: Ask, number: int) -> str | None:
    """Make a call and return None, `WRONG` or the code of its error."""
    try:
        return await ask(number)
    except VcfError as error:
        return error.code


class Meter:
    """Processor time of this thread and this process since it was made, over wall time."""

    def __init__(self) -> None:
        self._began = time.perf_counter(), time.thread_time(), time.process_time()

    def shares(self) -> tuple[float, float]:
        """Return the shares of the thread and of the process; the latter may be above 1."""
        wall, thread, process = self._began
        seconds = max(time.perf_counter() - wall, 1e-9)
        return (time.thread_time() - thread) / seconds, (time.process_time() - process) / seconds
