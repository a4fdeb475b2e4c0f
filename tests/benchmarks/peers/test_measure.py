# SPDX-License-Identifier: Apache-2.0
"""Ratios, and turns of systems that are not there: what is measured of them is known beforehand."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest

from benchmarks.closed_loop import Loop
from benchmarks.open_loop import Call
from benchmarks.peers import side_by_side
from benchmarks.peers.measure import Line, Plan, Turn, measure, p99_ratio, paired, throughput_ratio
from benchmarks.peers.page import fill
from benchmarks.peers.side_by_side import TRITON_BESIDE, TURNS
from benchmarks.peers.systems import IN_PROCESS, TRITON, Answer, System, Up
from benchmarks.result import Result
from benchmarks.validity import Watch
from vcf.errors import SetupError


def test_a_ratio_is_that_of_the_rounds_one_by_one() -> None:
    # A machine half as fast in round 2 slows both: only the pairs tell that ours is twice as fast all along.
    ratio = paired([4.0, 2.0, 4.4], [2.0, 1.0, 2.0])
    assert (ratio.value, ratio.least, ratio.greatest) == pytest.approx((2.0, 2.0, 2.2))
    assert str(ratio) == "2.00 (2.00–2.20)"


@pytest.mark.parametrize(("ours", "theirs"), [([], []), ([1.0], [1.0, 2.0])])
def test_ratios_need_the_same_rounds(ours: list[float], theirs: list[float]) -> None:
    with pytest.raises(ValueError, match="as many rounds"):
        paired(ours, theirs)


def turn(per_s: float, latencies_ms: list[float]) -> Turn:
    calls = tuple(Call(float(i), float(i), i + ms / 1e3) for i, ms in enumerate(latencies_ms))
    return Turn(1.0, SimpleNamespace(per_s=per_s), calls, (), len(calls), Watch())  # type: ignore[arg-type]


def line(name: str, *turns: Turn) -> Line:
    return Line(System(name, name, "", "", lambda at_once: None), list(turns))  # type: ignore[arg-type, return-value]


def test_p99_is_of_all_rounds_and_its_spread_of_single_ones() -> None:
    # One slow study in the second round: 1 of 200 in all, so p99 of all does not see it, that round's p99 does not
    # either; two of them are just what it takes for the round.
    fast = [10.0] * 100
    ours = line(TRITON, turn(2.0, fast), turn(2.0, [*fast[:98], 40.0, 40.0]))
    theirs = line("fastapi", turn(1.0, [20.0] * 100), turn(1.0, [20.0] * 100))
    ratio = p99_ratio(ours, theirs)
    assert ratio is not None
    assert (ratio.value, ratio.least, ratio.greatest) == pytest.approx((0.5, 0.5, 2.0))
    assert throughput_ratio(ours, theirs).value == 2.0


def test_no_p99_without_latencies() -> None:
    assert p99_ratio(line(TRITON, turn(1.0, [10.0])), line(IN_PROCESS, turn(1.0, []))) is None


@pytest.mark.parametrize(("name", "breaks"), [("fastapi", True), ("triton_volume", False)])
def test_a_late_generator_breaks_what_is_claimed_and_is_told_of_the_rest(name: str, breaks: bool) -> None:
    """Sent 50 ms late, answered 100 ms after that: latency is 150 ms, and the load was not the one named."""
    late = Turn(1.0, turn(1.0, []).saturated, (Call(1.0, 1.05, 1.15),) * 40, (), 40, Watch())
    lines = {TRITON: line(TRITON, turn(2.0, [10.0] * 40))}
    lines |= {one: line(one, *[turn(2.0, [])] * TURNS) for one in (TRITON_BESIDE, IN_PROCESS)}
    lines[name] = line(name, late)
    for one in lines.values():
        for each in one.turns:
            object.__setattr__(each, "saturated", Loop(2, 1.0, [1.0], [500.0]))
    result = Result("peers", {"peer_workers": 1, "peer_threads": 1})
    fill(result, lines, {}, Plan(1, 1.0, 0.0, 1, 0.8, 40, 1))
    rules = result.broken if breaks else result.figures["late"]
    assert [rule for rule in rules if "lagged 50.0 ms" in rule]
    assert bool(result.broken) == breaks


def test_turns_alternate_and_wrong_answers_are_counted() -> None:
    events: list[str] = []
    right = [Answer(0.5, [0.5, 0.1]), Answer(0.9, [0.2, 0.9])]

    def fake(name: str, seconds: float, answer_of: dict[int, Answer]) -> System:
        @asynccontextmanager
        async def up(at_once: int) -> AsyncIterator[Up]:
            events.append(f"+{name}")

            async def analyze(study: int) -> Answer:
                await asyncio.sleep(seconds)
                return answer_of[study]

            yield Up(0.1, analyze)
            events.append(f"-{name}")

        return System(name, name, "", "", up)

    mixed_up = {0: right[1], 1: right[1]}
    systems = [fake(TRITON, 0.01, dict(enumerate(right))), fake("fastapi", 0.02, mixed_up)]
    plan = Plan(rounds=2, seconds=0.3, warm_up_s=0.05, callers=2, load=0.8, arrivals=10, seed=3)
    lines = asyncio.run(measure(systems, [0, 1], right, plan))  # type: ignore[arg-type, list-item]
    assert events == ["+triton", "-triton", "+fastapi", "-fastapi"] * 2
    triton, fastapi = lines[TRITON], lines["fastapi"]
    assert not triton.turns[0].failures
    assert fastapi.turns[0].failures and set(fastapi.turns[0].failures) == {"WRONG"}
    assert any("differ from the reference" in rule for rule in fastapi.broken)
    # One pattern of arrivals, whatever the rate.
    for number in range(2):
        assert len(triton.turns[number].calls) == len(fastapi.turns[number].calls) > 0
    assert triton.turns[0].saturated.per_s > fastapi.turns[0].saturated.per_s


def test_processor_time_is_told_by_side() -> None:
    """A client that computes 20 ms for each study, a server that computes all the time."""

    @asynccontextmanager
    async def up(at_once: int) -> AsyncIterator[Up]:
        async def analyze(study: int) -> Answer:
            until_s = time.process_time() + 0.02
            while time.process_time() < until_s:
                pass
            await asyncio.sleep(0.05)
            return Answer(0.5, [0.5])

        with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as server:
            try:
                yield Up(0.1, analyze)
            finally:
                server.kill()

    plan = Plan(rounds=1, seconds=1.0, warm_up_s=0.1, callers=1, load=0.8, arrivals=2, seed=3)
    systems = [System(TRITON, TRITON, "", "", up)]
    (turn,) = asyncio.run(measure(systems, [0], [Answer(0.5, [0.5])], plan))[TRITON].turns  # type: ignore[list-item]
    studies = len(turn.saturated.ended_s)
    assert 20 <= turn.client_core_ms < 35
    # All of a core, or what the machine leaves of it.
    assert 0.2e3 < turn.server_core_ms * studies < 1.5e3


def test_a_peer_that_does_not_come_up_is_left_out_and_breaks_the_run() -> None:
    @asynccontextmanager
    async def up(at_once: int) -> AsyncIterator[Up]:
        async def analyze(study: int) -> Answer:
            await asyncio.sleep(0.005)
            return Answer(0.5, [0.5])

        yield Up(0.1, analyze)

    @asynccontextmanager
    async def down(at_once: int) -> AsyncIterator[Up]:
        raise SetupError("FastAPI did not come up: no port")
        yield

    systems = [System(TRITON, TRITON, "", "", up), System("fastapi", "FastAPI", "", "", down)]
    loop = System(IN_PROCESS, IN_PROCESS, "", "", up)
    plan = Plan(rounds=2, seconds=0.1, warm_up_s=0.02, callers=1, load=0.8, arrivals=5, seed=3)
    lines = asyncio.run(measure(systems, [0], [Answer(0.5, [0.5])], plan))  # type: ignore[arg-type, list-item]
    beside = asyncio.run(side_by_side.measure(systems[0], loop, [0], [Answer(0.5, [0.5])], plan))  # type: ignore[list-item]
    lines |= {line.system.name: line for line in beside}
    result = Result("peers", {"peer_workers": 1, "peer_threads": 1})
    fill(result, lines, {"litserve": "not installed"}, plan)
    assert len(result.figures["systems"][TRITON]["client_core_ms"]) == 2
    assert result.figures["skipped"] == {"litserve": "not installed", "fastapi": "FastAPI did not come up: no port"}
    assert "FastAPI did not come up: no port" in result.broken
    assert [target.name for target in result.targets] == ["throughput at saturation over in-process loop"]


@pytest.mark.parametrize(
    ("scores", "study_score", "agrees"),
    [
        ([0.5, 0.1], 0.5, True),
        ([0.5, 0.1005], 0.5, True),
        ([0.5, 0.2], 0.5, False),
        ([0.5], 0.5, False),
        ([0.5, 0.1], 0.6, False),
    ],
)
def test_answers_agree_within_the_order_of_additions(scores: list[float], study_score: float, agrees: bool) -> None:
    assert Answer(0.5, [0.5, 0.1]).agrees(Answer(study_score, scores)) is agrees
