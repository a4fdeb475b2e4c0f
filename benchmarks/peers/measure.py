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

from benchmarks import validity
from benchmarks.arrivals import poisson
from benchmarks.closed_loop import Loop
from benchmarks.distribution import Percentile, percentile
from benchmarks.open_loop import WRONG, Ask, Call, closed_loop, open_loop
from benchmarks.peers.server import PEERS
from benchmarks.peers.systems import TRITON, Answer, System, Up
from benchmarks.processes import cpu_s
from clients.study import Study
from vcf.errors import SetupError

MOST_IN_FLIGHT = 64
P99 = 0.99


@dataclass(frozen=True)
class Plan:
    """How long and how much.

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
        """As the JSON has them."""
        return asdict(self)


@dataclass(frozen=True)
class Turn:
    """What one system did in one round.

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
        """Corrected, in order of schedule."""
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
        """Of the latencies of all rounds; None where there are none."""
        latencies_ms = [ms for turn in self.turns for ms in turn.latencies_ms]
        return percentile(latencies_ms, share) if latencies_ms else None

    @property
    def p99s_ms(self) -> list[float]:
        """Of each round."""
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
        """Of the rounds."""
        return min(self.rounds)

    @property
    def greatest(self) -> float:
        """Of the rounds."""
        return max(self.rounds)

    def entry(self) -> dict[str, float]:
        """As it stands in the JSON."""
        return {name: round(getattr(self, name), 4) for name in ("value", "least", "greatest")}

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.least:.2f}–{self.greatest:.2f})"


def paired(ours: Sequence[float], theirs: Sequence[float], value: float | None = None) -> Ratio:
    """Ratio of measurements that were taken in turn, round by round; its value is the median unless another is given.

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
    """Of the highest rates of the rounds."""
    return paired(ours.rates_per_s, theirs.rates_per_s)


def p99_ratio(ours: Line, theirs: Line) -> Ratio | None:
    """Of p99 at the same share of each one's own highest rate; the value is that of all rounds together."""
    mine, other = ours.quantile(P99), theirs.quantile(P99)
    if mine is None or other is None:
        return None
    return paired(ours.p99s_ms, theirs.p99s_ms, mine.ms / other.ms)


async def measure(
    systems: Sequence[System], studies: Sequence[Study], right: Sequence[Answer], plan: Plan
) -> dict[str, Line]:
    """All turns, by name of system. Progress goes to stderr. A peer that does not come up is left out from then on."""
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
        await closed_loop(ask, plan.callers, plan.warm_up_s)
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
    """As many callers as the plan says, for as long as it says."""
    before_s = time.process_time(), cpu_s(os.getpid())
    calls = (await closed_loop(ask, plan.callers, plan.seconds)).calls
    used_s = time.process_time() - before_s[0], cpu_s(os.getpid()) - before_s[1]
    return Saturated(_loop(calls, plan), calls, *(1e3 * seconds / len(calls) for seconds in used_s))


def turn_of(up: Up, found: Saturated, watch: validity.Watch, calls: tuple[Call, ...] = ()) -> Turn:
    """What came of a closed loop, and of the calls at a share of its rate if there were any."""
    made = [*found.calls, *calls]
    failures = tuple(call.failure for call in made if call.failure)
    return Turn(up.startup_s, found.loop, calls, failures, len(made), watch, found.client_core_ms, found.server_core_ms)


def asking(up: Up, studies: Sequence[Study], right: Sequence[Answer], seed: int, number: int) -> Ask:
    """Calls of a round, its studies in an order drawn for it; each answer is checked."""
    order = np.random.default_rng([seed, number]).integers(len(studies), size=4096)

    async def ask(number: int) -> str | None:
        which = int(order[number % len(order)])
        return None if (await up.analyze(studies[which])).agrees(right[which]) else WRONG

    return ask


def _loop(calls: Sequence[Call], plan: Plan) -> Loop:
    in_order = sorted(calls, key=lambda call: call.done_s)
    return Loop(
        plan.callers, plan.seconds, [call.done_s for call in in_order], [call.uncorrected_ms for call in in_order]
    )


def ours(lines: dict[str, Line]) -> Line:
    """The line that targets are about: Triton as its client uses it."""
    return lines[TRITON]
