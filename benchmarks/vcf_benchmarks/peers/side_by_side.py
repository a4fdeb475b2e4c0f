# SPDX-License-Identifier: Apache-2.0
"""Triton and the plain loop, both up, in turns of seconds.

Their ratio is near its goal, and the machine changes its speed between two turns of a round, which are minutes long.
"""

import os
import statistics
import sys
from collections.abc import Sequence
from dataclasses import replace

from vcf_benchmarks.harness import validity
from vcf_benchmarks.harness.closed_loop import closed_loop_async
from vcf_benchmarks.harness.result import Target
from vcf_benchmarks.harness.windows import means, recent, settling
from vcf_benchmarks.peers.measure import MOST_IN_FLIGHT, Line, Plan, Ratio, Turn, asking, paired, saturated, turn_of
from vcf_benchmarks.peers.systems import Answer, Running, System
from vcf_client.study import Study

GOAL = 0.95
TRITON_BESIDE = "triton_beside_loop"
"""Name of Triton's line here; its other one is that of the rounds."""
TURNS = 2
"""Turns of each in a window, A B B A: what the machine gains or loses at an even pace is the same for both."""
MOST_WINDOWS = 6


def ratio(triton: Line, loop: Line) -> Ratio:
    """Return studies a second over those of the loop, with all cores busy: of the last three windows, and of each."""
    windows = paired(means(triton.rates_per_s, TURNS), means(loop.rates_per_s, TURNS)).rounds
    return Ratio(statistics.median(recent(windows, 1)), windows)


def target(triton: Line, loop: Line) -> Target:
    """Return the ratio with its goal."""
    found = ratio(triton, loop)
    return Target("throughput at saturation over in-process loop", found.value, GOAL, False, found.rounds)


async def measure(
    triton: System, loop: System, studies: Sequence[Study], right: Sequence[Answer], plan: Plan
) -> tuple[Line, Line]:
    """Measure both lines, of `TURNS` turns a window: Triton's and the loop's."""
    ours, theirs = Line(replace(triton, name=TRITON_BESIDE, title=f"{triton.title}, beside the loop")), Line(loop)
    async with triton.up(MOST_IN_FLIGHT) as served, loop.up(MOST_IN_FLIGHT) as alone:
        up = {TRITON_BESIDE: served, loop.name: alone}
        for one in up.values():
            await closed_loop_async(asking(one, studies, right, plan.seed, 0), plan.callers, plan.warm_up_s)
        for number in settling(lambda: bool(target(ours, theirs).unsettled), MOST_WINDOWS):
            for line in (ours, theirs, theirs, ours):
                line.turns.append(await _turn(up[line.system.name], studies, right, plan, number))
            rates = ", ".join(
                f"{line.system.title} {line.turns[-2].saturated.per_s:.3g} and {line.turns[-1].saturated.per_s:.3g}"
                for line in (ours, theirs)
            )
            print(f"window {number}: {rates} studies/s", file=sys.stderr)
    return ours, theirs


async def _turn(up: Running, studies: Sequence[Study], right: Sequence[Answer], plan: Plan, number: int) -> Turn:
    with validity.watched(os.getpid()) as watch:
        found = await saturated(asking(up, studies, right, plan.seed, number), plan)
    return turn_of(up, found, watch)
