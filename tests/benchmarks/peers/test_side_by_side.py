# SPDX-License-Identifier: Apache-2.0
"""Two systems that are not there, on a machine whose speed is made to change."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from benchmarks.peers import side_by_side
from benchmarks.peers.measure import Line, Plan
from benchmarks.peers.systems import IN_PROCESS, TRITON, Answer, System, Up
from benchmarks.windows import COUNTED, MOST

RIGHT = Answer(0.5, [0.5])
PLAN = Plan(rounds=1, seconds=0.3, warm_up_s=0.05, callers=2, load=0.8, arrivals=5, seed=3)


def system(name: str, events: list[str], answer: Callable[[], Answer], seconds: float) -> System:
    @asynccontextmanager
    async def up(at_once: int) -> AsyncIterator[Up]:
        events.append(f"+{name}")

        async def analyze(study: int) -> Answer:
            if events[-1] != name:
                events.append(name)
            await asyncio.sleep(seconds)
            return answer()

        yield Up(0.1, analyze)  # type: ignore[arg-type]
        events.append(f"-{name}")

    return System(name, name, "", "", up)


def measured(events: list[str], answer: Callable[[], Answer] = lambda: RIGHT, triton_s: float = 0.01) -> Line:
    triton = system(TRITON, events, lambda: RIGHT, triton_s)
    loop = system(IN_PROCESS, events, answer, 0.01)
    return asyncio.run(side_by_side.measure(triton, loop, [0], [RIGHT], PLAN))  # type: ignore[list-item]


def test_both_are_up_and_each_begins_every_other_window() -> None:
    events: list[str] = []
    line = measured(events, triton_s=0.04)  # a quarter of the loop's rate in each window: settled at once
    # Who was at work, changes only: warm-up T L, then windows L T, T L, L T.
    assert events == ["+triton", "+in_process", *[TRITON, IN_PROCESS] * 2, TRITON, "-in_process", "-triton"]
    assert len(line.triton_per_s) == len(line.turns) == COUNTED
    assert side_by_side.ratio(line).value == pytest.approx(0.25, rel=0.2)
    assert not side_by_side.target(line).met


def test_wrong_answers_break_the_line() -> None:
    line = measured([], lambda: Answer(0.9, [0.9]))
    assert any("differ from the reference" in rule for rule in line.broken)
    assert COUNTED <= len(line.turns) <= MOST


def test_the_last_three_windows_count_and_all_are_shown() -> None:
    line = Line(system(IN_PROCESS, [], lambda: RIGHT, 0.0))
    line.triton_per_s += [1.0, 2.0, 2.0, 2.0]
    line.turns += [type("Turn", (), {"saturated": type("Loop", (), {"per_s": 2.0})})] * 4  # type: ignore[list-item]
    found = side_by_side.target(line)
    assert (found.value, found.windows) == (1.0, (0.5, 1.0, 1.0, 1.0))
    assert found.unsettled is None


def test_no_ratio_without_windows() -> None:
    with pytest.raises(ValueError, match="as many rounds"):
        side_by_side.target(Line(system(IN_PROCESS, [], lambda: RIGHT, 0.0)))
