# SPDX-License-Identifier: Apache-2.0
"""Ratios, and turns of systems that are not there: what is measured of them is known beforehand."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest

from tests.benchmarks.harness.virtual_time import run
from vcf_benchmarks.harness.calls import Call
from vcf_benchmarks.harness.result import Result
from vcf_benchmarks.harness.validity import Watch
from vcf_benchmarks.peers import side_by_side
from vcf_benchmarks.peers.figures import add_figures
from vcf_benchmarks.peers.measure import Line, Plan, Turn, measure, p99_ratio, paired, throughput_ratio
from vcf_benchmarks.peers.systems import IN_PROCESS, TRITON, Answer, Running, System
from vcf_contract.errors import SetupError


def test_a_ratio_is_that_of_the_rounds_one_by_one() -> None:
    # A machine half as fast in round 2 slows both: only the pairs tell that ours is twice as fast all along.
    ratio = paired([4.0, 2.0, 4.4], [2.0, 1.0, 2.0])
    assert (ratio.value, ratio.least, ratio.greatest) == pytest.approx((2.0, 2.0, 2.2))


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


def test_turns_alternate_and_wrong_answers_are_counted() -> None:
    events: list[str] = []
    right = [Answer(0.5, [0.5, 0.1]), Answer(0.9, [0.2, 0.9])]

    def fake(name: str, seconds: float, answer_of: dict[int, Answer]) -> System:
        @asynccontextmanager
        async def up(at_once: int) -> AsyncIterator[Running]:
            events.append(f"+{name}")

            async def analyze(study: int) -> Answer:
                await asyncio.sleep(seconds)
                return answer_of[study]

            yield Running(0.1, analyze)
            events.append(f"-{name}")

        return System(name, name, "", "", up)

    mixed_up = {0: right[1], 1: right[1]}
    systems = [fake(TRITON, 0.01, dict(enumerate(right))), fake("fastapi", 0.02, mixed_up)]
    plan = Plan(rounds=2, seconds=0.3, warm_up_s=0.05, callers=2, load=0.8, arrivals=10, seed=3)
    lines = run(measure(systems, [0, 1], right, plan))  # type: ignore[arg-type, list-item]
    assert events == ["+triton", "-triton", "+fastapi", "-fastapi"] * 2
    triton, fastapi = lines[TRITON], lines["fastapi"]
    assert not triton.turns[0].failures
    assert fastapi.turns[0].failures and set(fastapi.turns[0].failures) == {"WRONG"}
    assert any("differ from the reference" in rule for rule in fastapi.broken)
    # One pattern of arrivals, whatever the rate.
    for number in range(2):
        assert len(triton.turns[number].calls) == len(fastapi.turns[number].calls) > 0
    assert triton.turns[0].saturated.per_s > fastapi.turns[0].saturated.per_s


def test_processor_time_is_told_by_side(monkeypatch) -> None:
    """A client that computes 20 ms for each study, and a server that is said to have taken 0.9 s in all."""

    @asynccontextmanager
    async def up(at_once: int) -> AsyncIterator[Running]:
        async def analyze(study: int) -> Answer:
            until_s = time.process_time() + 0.02
            while time.process_time() < until_s:
                pass
            await asyncio.sleep(0.05)
            return Answer(0.5, [0.5])

        yield Running(0.1, analyze)

    taken_s = iter([1.0, 1.9])
    monkeypatch.setattr("vcf_benchmarks.peers.measure.cpu_s", lambda pid: next(taken_s))
    plan = Plan(rounds=1, seconds=0.4, warm_up_s=0.05, callers=1, load=0.8, arrivals=2, seed=3)
    systems = [System(TRITON, TRITON, "", "", up)]
    (turn,) = run(measure(systems, [0], [Answer(0.5, [0.5])], plan))[TRITON].turns  # type: ignore[list-item]
    assert turn.client_core_ms >= 20
    assert turn.server_core_ms == pytest.approx(900 / len(turn.saturated.ended_s))


def test_a_peer_that_does_not_come_up_is_left_out_and_breaks_the_run() -> None:
    @asynccontextmanager
    async def up(at_once: int) -> AsyncIterator[Running]:
        async def analyze(study: int) -> Answer:
            await asyncio.sleep(0.005)
            return Answer(0.5, [0.5])

        yield Running(0.1, analyze)

    @asynccontextmanager
    async def down(at_once: int) -> AsyncIterator[Running]:
        raise SetupError("FastAPI did not come up: no port")
        yield

    systems = [System(TRITON, TRITON, "", "", up), System("fastapi", "FastAPI", "", "", down)]
    loop = System(IN_PROCESS, IN_PROCESS, "", "", up)
    plan = Plan(rounds=2, seconds=0.1, warm_up_s=0.02, callers=1, load=0.8, arrivals=5, seed=3)
    lines = run(measure(systems, [0], [Answer(0.5, [0.5])], plan))  # type: ignore[arg-type, list-item]
    beside = run(side_by_side.measure(systems[0], loop, [0], [Answer(0.5, [0.5])], plan))  # type: ignore[list-item]
    lines |= {line.system.name: line for line in beside}
    result = Result("peers", {"peer_workers": 1, "peer_threads": 1})
    add_figures(result, lines, {"litserve": "not installed"}, plan)
    assert len(result.figures["systems"][TRITON]["client_core_ms"]) == 2
    assert result.figures["skipped"] == {"litserve": "not installed", "fastapi": "FastAPI did not come up: no port"}
    assert "FastAPI did not come up: no port" in result.broken
    assert [target.name for target in result.targets] == ["throughput at saturation over in-process loop"]
