# SPDX-License-Identifier: Apache-2.0
"""Triton and the plain loop, both up, in turns of seconds.

Their ratio is near its goal, and the machine changes its speed between two turns of a round, which are minutes long.
"""

import os
import statistics
import sys
from collections.abc import Sequence

from benchmarks import validity
from benchmarks.open_loop import closed_loop
from benchmarks.peers.measure import MOST_IN_FLIGHT, Line, Plan, Ratio, Saturated, Turn, asking, paired, saturated
from benchmarks.peers.systems import Answer, System
from benchmarks.result import Target
from benchmarks.windows import recent, settling
from clients.study import Study

GOAL = 0.95


def ratio(loop: Line) -> Ratio:
    """Triton's studies a second over the loop's, with all cores busy: of the last three windows, and of each."""
    windows = paired(loop.triton_per_s, loop.rates_per_s).rounds
    return Ratio(statistics.median(recent(windows, 1)), windows)


def target(loop: Line) -> Target:
    """The ratio with its goal."""
    found = ratio(loop)
    return Target("throughput at saturation over in-process loop", found.value, GOAL, False, found.rounds)


async def measure(triton: System, loop: System, studies: Sequence[Study], right: Sequence[Answer], plan: Plan) -> Line:
    """The loop's line, with Triton's rates beside its own. Who begins changes from window to window."""
    line = Line(loop)
    async with triton.up(MOST_IN_FLIGHT) as served, loop.up(MOST_IN_FLIGHT) as alone:
        for up in (served, alone):
            await closed_loop(asking(up, studies, right, plan.seed, 0), plan.callers, plan.warm_up_s)
        for number in settling(lambda: bool(target(line).unsettled)):
            found: dict[str, Saturated] = {}
            pair = {triton.name: served, loop.name: alone}
            with validity.watched(os.getpid()) as watch:
                for name in sorted(pair, reverse=number % 2 == 0):
                    found[name] = await saturated(asking(pair[name], studies, right, plan.seed, number), plan)
            calls = [call for one in found.values() for call in one.calls]
            failures = tuple(call.failure for call in calls if call.failure)
            ours, theirs = found[triton.name], found[loop.name]
            line.triton_per_s.append(ours.loop.per_s)
            line.turns.append(
                Turn(0.0, theirs.loop, (), failures, len(calls), watch, theirs.client_core_ms, theirs.server_core_ms)
            )
            rates = f"{theirs.loop.per_s:.3g} studies/s, Triton {ours.loop.per_s:.3g}"
            print(f"window {number}: {loop.title} {rates}", file=sys.stderr)
    return line
