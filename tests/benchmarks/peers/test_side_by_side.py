# SPDX-License-Identifier: Apache-2.0
"""Two systems that are not there, on a machine whose speed is made to change, in virtual time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from tests.benchmarks.harness.virtual_time import run
from vcf_benchmarks.harness.windows import COUNTED
from vcf_benchmarks.peers import side_by_side
from vcf_benchmarks.peers.measure import Line, Plan
from vcf_benchmarks.peers.systems import IN_PROCESS, TRITON, Answer, Running, System

RIGHT, WRONG = Answer(0.5, [0.5]), Answer(0.9, [0.9])
PLAN = Plan(rounds=1, seconds=10.0, warm_up_s=1.0, callers=2, load=0.8, arrivals=5, seed=3)
WINDOW_S = 4 * PLAN.seconds

Seconds = Callable[[float], float]


def system(name: str, events: list[str], seconds: Seconds, answer: Answer) -> System:
    @asynccontextmanager
    async def up(at_once: int) -> AsyncIterator[Running]:
        events.append(f"+{name}")

        async def analyze(study: int) -> Answer:
            events.append(name)
            await asyncio.sleep(seconds(asyncio.get_running_loop().time()))
            return answer

        yield Running(0.1, analyze)  # type: ignore[arg-type]
        events.append(f"-{name}")

    return System(name, name, "", "", up)


def measured(
    triton_s: Seconds, loop_s: Seconds, answer: Answer = RIGHT, events: list[str] | None = None
) -> tuple[Line, Line]:
    events = [] if events is None else events
    triton, loop = system(TRITON, events, triton_s, RIGHT), system(IN_PROCESS, events, loop_s, answer)
    return run(side_by_side.measure(triton, loop, [0], [RIGHT], PLAN))  # type: ignore[list-item]


def test_both_are_up_and_take_turns_a_b_b_a() -> None:
    events: list[str] = []
    measured(lambda at_s: 0.4, lambda at_s: 0.1, events=events)
    changes = [event for event, before in zip(events, [None, *events], strict=False) if event != before]
    t, loop = TRITON, IN_PROCESS
    assert changes == ["+triton", "+in_process", t, loop, *[t, loop] * COUNTED, t, "-in_process", "-triton"]


def test_a_machine_that_slows_down_is_slow_for_both() -> None:
    """To half of its speed at an even pace. Triton takes 1.25 times as long all along: 0.8 of the studies."""

    def slower(at_s: float) -> float:
        return 1 + at_s / (COUNTED * WINDOW_S)

    triton, loop = measured(lambda at_s: 0.05 * slower(at_s), lambda at_s: 0.04 * slower(at_s))
    assert loop.rates_per_s[0] / loop.rates_per_s[-1] > 1.5
    found = side_by_side.target(triton, loop)
    assert found.windows == pytest.approx([0.8] * COUNTED, rel=0.02)
    assert found.value == pytest.approx(0.8, rel=0.02) and not found.met


def test_windows_on_both_sides_of_the_goal_go_on_to_the_end() -> None:
    def alternating(at_s: float) -> float:
        return 0.1 if int((at_s - 2 * PLAN.warm_up_s) // WINDOW_S) % 2 else 0.12

    triton, loop = measured(alternating, lambda at_s: 0.105)
    found = side_by_side.target(triton, loop)
    assert len(found.windows) == side_by_side.MOST_WINDOWS and found.unsettled
    assert min(found.windows) < side_by_side.GOAL < max(found.windows)


def test_wrong_answers_break_the_line_that_gave_them() -> None:
    triton, loop = measured(lambda at_s: 0.1, lambda at_s: 0.1, WRONG)
    assert any("differ from the reference" in rule for rule in loop.broken)
    assert not any("differ from the reference" in rule for rule in triton.broken)


def test_the_last_three_windows_count_and_all_are_shown() -> None:
    def line(*rates_per_s: float) -> Line:
        turns = [type("Turn", (), {"saturated": type("Loop", (), {"per_s": rate})}) for rate in rates_per_s]
        return Line(system(IN_PROCESS, [], lambda at_s: 0.0, RIGHT), turns)  # type: ignore[arg-type]

    found = side_by_side.target(line(1, 1, 2, 2, 2, 2, 2, 2), line(*[2] * 8))
    assert (found.value, found.windows) == (1.0, (0.5, 1.0, 1.0, 1.0))
    assert found.unsettled is None
    with pytest.raises(ValueError, match="as many rounds"):
        side_by_side.target(line(), line())
