# SPDX-License-Identifier: Apache-2.0
"""Systems in turn, A B C … A B C …, each alone on the machine: its highest rate, then latency at a share of it."""

import os
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from vcf_benchmarks.harness import validity
from vcf_benchmarks.harness.arrivals import poisson
from vcf_benchmarks.harness.calls import WRONG, Ask, Call
from vcf_benchmarks.harness.closed_loop import Loop, closed_loop_async
from vcf_benchmarks.harness.distribution import Percentile, percentile
from vcf_benchmarks.harness.open_loop import open_loop
from vcf_benchmarks.harness.processes import cpu_s
from vcf_benchmarks.peers.server import PEERS
from vcf_benchmarks.peers.systems import TRITON, Answer, Running, System
from vcf_client.study import Study
from vcf_contract.errors import SetupError

MOST_IN_FLIGHT = 64
P99 = 0.99


@dataclass(frozen=True)
class Plan:
    """The length of each part of a round.

    callers
        Of the closed loop that finds the highest rate.
    load
        Share of its own highest rate at which a system's latency is measured.
    arrivals
        To be expected in each round of that; the same pattern for all systems of a round, stretched to their rates.
    """

    rounds: int
    seconds: float
    warm_up_s: float
    callers: int
    load: float
    arrivals: int
    seed: int

    def settings(self) -> dict[str, Any]:
        """Return the plan as the JSON has it."""
        return asdict(self)


@dataclass(frozen=True)
class Turn:
    """Tell what one system did in one round.

    calls
        Those at its share of load, none for the loop in one process.
    client_core_ms, server_core_ms
        Processor time of a study at saturation. The loop in one process counts as a server.
    """

    startup_s: float
    saturated: Loop
    calls: tuple[Call, ...]
    failures: tuple[str, ...]
    answers: int
    watch: validity.Watch
    client_core_ms: float = 0.0
    server_core_ms: float = 0.0

    @property
    def latencies_ms(self) -> list[float]:
        """Corrected latencies, in order of schedule."""
        return [call.corrected_ms for call in self.calls]


@dataclass
class Line:
    """One system and its turns; ``failed`` says why it did not come up."""

    system: System
    turns: list[Turn] = field(default_factory=list)
    failed: str | None = None

    @property
    def rates_per_s(self) -> list[float]:
        """Highest rate of each round."""
        return [turn.saturated.per_s for turn in self.turns]

    def quantile(self, share: float) -> Percentile | None:
        """Return a percentile of the latencies of all rounds; None where there are none."""
        latencies_ms = [ms for turn in self.turns for ms in turn.latencies_ms]
        return percentile(latencies_ms, share) if latencies_ms else None

    @property
    def p99s_ms(self) -> list[float]:
        """p99 of each round."""
        return [percentile(turn.latencies_ms, P99).ms for turn in self.turns if turn.latencies_ms]

    @property
    def broken(self) -> list[str]:
        """Rules about machine and answers that its turns broke."""
        failures = [failure for turn in self.turns for failure in turn.failures]
        answers = sum(turn.answers for turn in self.turns)
        found = [
            *(rule for turn in self.turns for rule in turn.watch.broken),
            validity.wrong(answers, failures.count(WRONG)),
            validity.failed(answers, [failure for failure in failures if failure != WRONG]),
        ]
        return [f"{self.system.title}: {rule}" for rule in dict.fromkeys(found) if rule]

    @property
    def late(self) -> list[str]:
        """The rule about the generator, where it was broken."""
        calls = [call for turn in self.turns for call in turn.calls]
        if not calls:
            return []
        median_ms = float(np.median([call.uncorrected_ms for call in calls]))
        rule = validity.lagging([call.lag_ms for call in calls], median_ms)
        return [f"{self.system.title}: {rule}"] if rule else []


@dataclass(frozen=True)
class Ratio:
    """Ours over theirs: of all rounds together, and the least and greatest of single rounds."""

    value: float
    rounds: tuple[float, ...]

    @property
    def least(self) -> float:
        """The least of single rounds."""
        return min(self.rounds)

    @property
    def greatest(self) -> float:
        """The greatest of single rounds."""
        return max(self.rounds)

    def entry(self) -> dict[str, float]:
        """Return it as it stands in the JSON."""
        return {name: round(getattr(self, name), 4) for name in ("value", "least", "greatest")}


def paired(ours: Sequence[float], theirs: Sequence[float], value: float | None = None) -> Ratio:
    """Return the ratio of measurements taken in turn, round by round; its value is the median unless one is given.

    Raises
    ------
    ValueError
        If there are none, or not as many of one as of the other.
    """
    if not ours or len(ours) != len(theirs):
        raise ValueError(f"ratios need as many rounds of both, found {len(ours)} and {len(theirs)}")
    each = tuple(one / other for one, other in zip(ours, theirs, strict=True))
    return Ratio(statistics.median(each) if value is None else value, each)


def throughput_ratio(ours: Line, theirs: Line) -> Ratio:
    """Return the ratio of the highest rates of the rounds."""
    return paired(ours.rates_per_s, theirs.rates_per_s)


def p99_ratio(ours: Line, theirs: Line) -> Ratio | None:
    """Return the ratio of p99 at the same share of each one's own highest rate; its value is that of all rounds."""
    mine, other = ours.quantile(P99), theirs.quantile(P99)
    if mine is None or other is None:
        return None
    return paired(ours.p99s_ms, theirs.p99s_ms, mine.ms / other.ms)


async def measure(
    systems: Sequence[System], studies: Sequence[Study], right: Sequence[Answer], plan: Plan
) -> dict[str, Line]:
    """Take all turns, by name of system, and report on stderr. A peer that does not come up is left out."""
    lines = {system.name: Line(system) for system in systems}
    for number in range(plan.rounds):
        for line in lines.values():
            if line.failed:
                continue
            try:
                turn = await _turn(line.system, studies, right, plan, number)
            except SetupError as error:
                if line.system.name not in PEERS:
                    raise
                line.failed = str(error)
                print(f"round {number + 1}: {line.failed}", file=sys.stderr)
                continue
            line.turns.append(turn)
            p99 = f", p99 {line.p99s_ms[-1]:.0f} ms at {plan.load:.0%} of it" if turn.calls else ""
            print(f"round {number + 1}: {line.system.title} {turn.saturated.per_s:.3g} studies/s{p99}", file=sys.stderr)
    return lines


async def _turn(system: System, studies: Sequence[Study], right: Sequence[Answer], plan: Plan, number: int) -> Turn:
    async with system.up(MOST_IN_FLIGHT) as up:
        ask = asking(up, studies, right, plan.seed, number)
        await closed_loop_async(ask, plan.callers, plan.warm_up_s)
        with validity.watched(os.getpid()) as watch:
            found = await saturated(ask, plan)
            # One pattern, whatever the rate: as many arrivals with the same gaps, in units of the mean gap.
            arrivals = poisson(1.0, plan.arrivals, plan.seed + number) / (plan.load * found.loop.per_s)
            calls = (await open_loop(arrivals.tolist(), ask, MOST_IN_FLIGHT)).calls
    return turn_of(up, found, watch, calls)


@dataclass(frozen=True)
class Saturated:
    """A closed loop, and the processor time of a study in it."""

    loop: Loop
    calls: Sequence[Call]
    client_core_ms: float
    server_core_ms: float


async def saturated(ask: Ask, plan: Plan) -> Saturated:
    """Run a closed loop of as many callers as the plan says, for as long as it says."""
    before_s = time.process_time(), cpu_s(os.getpid())
    calls = (await closed_loop_async(ask, plan.callers, plan.seconds)).calls
    used_s = time.process_time() - before_s[0], cpu_s(os.getpid()) - before_s[1]
    return Saturated(
        Loop.of(calls, plan.callers, plan.seconds), calls, *(1e3 * seconds / len(calls) for seconds in used_s)
    )


def turn_of(up: Running, found: Saturated, watch: validity.Watch, calls: tuple[Call, ...] = ()) -> Turn:
    """Make a turn of a closed loop, and of the calls at a share of its rate if there were any."""
    made = [*found.calls, *calls]
    failures = tuple(call.failure for call in made if call.failure)
    return Turn(up.startup_s, found.loop, calls, failures, len(made), watch, found.client_core_ms, found.server_core_ms)


def asking(up: Running, studies: Sequence[Study], right: Sequence[Answer], seed: int, number: int) -> Ask:
    """Return calls of a round, its studies in an order drawn for it; each answer is checked."""
    order = np.random.default_rng([seed, number]).integers(len(studies), size=4096)

    async def ask(number: int) -> str | None:
        which = int(order[number % len(order)])
        return None if (await up.analyze(studies[which])).agrees(right[which]) else WRONG

    return ask


def ours(lines: dict[str, Line]) -> Line:
    """Return the line that targets are about: Triton as its client uses it."""
    return lines[TRITON]
