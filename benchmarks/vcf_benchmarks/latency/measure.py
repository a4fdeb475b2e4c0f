# SPDX-License-Identifier: Apache-2.0
"""Latency at rising rates: what was measured at each, and where the knee lies."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from vcf_benchmarks.harness import validity
from vcf_benchmarks.harness.answers import Reference
from vcf_benchmarks.harness.arrivals import poisson
from vcf_benchmarks.harness.calls import WRONG, Ask, Call, Run
from vcf_benchmarks.harness.closed_loop import Loop, closed_loop_async
from vcf_benchmarks.harness.open_loop import open_loop
from vcf_benchmarks.harness.served import Served, asking
from vcf_benchmarks.latency.goals import KEPT_UP
from vcf_client import AsyncVcfClient
from vcf_client.study import Study
from vcf_contract.errors import UsageError

WINDOWS = 3
CALLERS = (1, 2, 4)
"""Callers of the closed loops; the highest rate of all counts."""


@dataclass(frozen=True)
class Plan:
    """The length of each part of a run.

    window_s, least_arrivals
        A window lasts this long, and longer where so many arrivals are not to be expected in it.
    """

    window_s: float
    least_arrivals: int
    warm_up_s: float
    estimate_s: float
    most_in_flight: int
    seed: int

    def edges_s(self, rate_per_s: float) -> list[float]:
        """Return where the windows begin and end."""
        window_s = max(self.window_s, self.least_arrivals / rate_per_s)
        return [self.warm_up_s + number * window_s for number in range(WINDOWS + 1)]

    def settings(self) -> dict[str, Any]:
        """Return the plan as the JSON has it."""
        return asdict(self)


@dataclass(frozen=True)
class AtRate:
    """Tell what happened at one rate. The calls are those of the three windows; warm-up and what it cost are left
    out."""

    rate_per_s: float
    calls: tuple[Call, ...]
    windows: tuple[tuple[Call, ...], ...]
    answered_per_arrival: float
    loop_share: float
    generator_cores: float
    server_cores: float | None

    @property
    def corrected_ms(self) -> list[float]:
        """Latencies from the scheduled time, in order of schedule."""
        return [call.corrected_ms for call in self.calls]

    @property
    def uncorrected_ms(self) -> list[float]:
        """Latencies from the time of sending."""
        return [call.uncorrected_ms for call in self.calls]

    @property
    def kept_up(self) -> bool:
        """Tell whether answers came as fast as studies."""
        return self.answered_per_arrival >= KEPT_UP

    @property
    def medians_ms(self) -> list[float]:
        """Corrected medians of the windows."""
        return [float(np.median([call.corrected_ms for call in window])) for window in self.windows]

    @property
    def unstable(self) -> str | None:
        """Windows that differ by more than chance: queues behind Poisson arrivals differ with nothing changed."""
        corrected_ms = [[call.corrected_ms for call in window] for window in self.windows]
        return validity.unstable_medians(corrected_ms, "the median latency")

    @property
    def power(self) -> float:
        """Rate over mean latency (L. Kleinrock, 1979): largest at the knee."""
        return self.rate_per_s / float(np.mean(self.corrected_ms))

    @property
    def broken(self) -> list[str]:
        """Rules that this rate broke."""
        codes = [call.failure for call in self.calls if call.failure]
        found = [
            self.unstable,
            validity.lagging([call.lag_ms for call in self.calls], float(np.median(self.uncorrected_ms))),
            validity.saturated(self.loop_share),
            validity.wrong(len(self.calls), codes.count(WRONG)),
            validity.failed(len(self.calls), [code for code in codes if code != WRONG]),
        ]
        return [rule for rule in found if rule]


@dataclass
class Measured:
    """A whole run; rates in ascending order."""

    closed_per_s: dict[int, float]
    rates: list[AtRate] = field(default_factory=list)
    watch: validity.Watch = field(default_factory=validity.Watch)

    @property
    def highest_per_s(self) -> float:
        """The highest rate of the closed loops."""
        return max(self.closed_per_s.values())

    @property
    def knee(self) -> AtRate | None:
        """The rate with the greatest power of those that the server kept up with; None if there is none."""
        return max((rate for rate in self.rates if rate.kept_up), key=lambda rate: rate.power, default=None)

    @property
    def broken(self) -> list[str]:
        """Rules that the run broke.

        Beyond the highest rate that the server keeps up with the queue grows for as long as one looks: there nothing
        is stable, and only wrong answers count.
        """
        kept_up = [rate for rate in self.rates if rate.kept_up]
        top = kept_up[-1].rate_per_s if kept_up else 0.0
        rules = [
            f"{rate.rate_per_s:.3g}/s: {rule}"
            for rate in self.rates
            for rule in rate.broken
            if rate.rate_per_s <= top or rule == validity.wrong(len(rate.calls), _mistakes(rate))
        ]
        if not kept_up:
            rules.append("the server kept up with none of the rates")
        return [*self.watch.broken, *rules]


def _mistakes(rate: AtRate) -> int:
    return sum(call.failure == WRONG for call in rate.calls)


async def measure(
    server: Served,
    transport: str,
    studies: Sequence[Study],
    right: Sequence[Reference],
    plan: Plan,
    rates: Sequence[float] | None,
    shares: Sequence[float],
) -> Measured:
    """Run closed loops for the highest rate, then each rate in turn, begun when the last one is answered in full."""
    async with AsyncVcfClient(server.address, transport=transport) as client:
        ask = asking(client, studies, right, plan.seed)
        with server.watch() as watch:
            measured = Measured({callers: await _highest(ask, callers, plan) for callers in CALLERS}, watch=watch)
            for number, rate in enumerate(sorted(rates or [share * measured.highest_per_s for share in shares])):
                measured.rates.append(await at_rate(server, ask, rate, plan, plan.seed + number))
    return measured


async def _highest(ask: Ask, callers: int, plan: Plan) -> float:
    calls = (await closed_loop_async(ask, callers, plan.estimate_s)).calls
    return Loop.of(calls, callers, plan.estimate_s).per_s


async def at_rate(server: Served, ask: Ask, rate: float, plan: Plan, seed: int) -> AtRate:
    """Send Poisson arrivals for warm-up and windows."""
    scheduled_s = poisson(rate, plan.edges_s(rate)[-1], seed)
    before_s = server.cpu_s()
    run = await open_loop(scheduled_s.tolist(), ask, plan.most_in_flight)
    after_s = server.cpu_s()
    seconds = max(call.done_s for call in run.calls)
    cores = None if before_s is None or after_s is None else (after_s - before_s) / seconds
    return counted(rate, run, plan, cores)


def counted(rate: float, run: Run, plan: Plan, server_cores: float | None) -> AtRate:
    """Take the calls that count, in windows by their schedule; UsageError if one of these is empty."""
    edges = plan.edges_s(rate)
    windows = tuple(
        tuple(call for call in run.calls if begin <= call.scheduled_s < end) for begin, end in pairwise(edges)
    )
    if not all(windows):
        raise UsageError(f"at {rate:.3g}/s no study arrived in a window: give a longer --window, or a larger --least")
    calls = tuple(call for window in windows for call in window)
    answered = sum(edges[0] <= call.done_s < edges[-1] for call in run.calls)
    return AtRate(rate, calls, windows, answered / len(calls), run.loop_share, run.cores, server_cores)
