# SPDX-License-Identifier: Apache-2.0
from types import SimpleNamespace

import pytest

from vcf_benchmarks.harness.calls import Call
from vcf_benchmarks.harness.closed_loop import Loop
from vcf_benchmarks.harness.result import Result
from vcf_benchmarks.harness.validity import Watch
from vcf_benchmarks.peers.figures import add_figures
from vcf_benchmarks.peers.measure import Line, Plan, Turn
from vcf_benchmarks.peers.side_by_side import TRITON_BESIDE, TURNS
from vcf_benchmarks.peers.systems import IN_PROCESS, TRITON, System


def turn(per_s: float, latencies_ms: list[float]) -> Turn:
    calls = tuple(Call(float(i), float(i), i + ms / 1e3) for i, ms in enumerate(latencies_ms))
    return Turn(1.0, SimpleNamespace(per_s=per_s), calls, (), len(calls), Watch())  # type: ignore[arg-type]


def line(name: str, *turns: Turn) -> Line:
    return Line(System(name, name, "", "", lambda at_once: None), list(turns))  # type: ignore[arg-type, return-value]


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
    add_figures(result, lines, {}, Plan(1, 1.0, 0.0, 1, 0.8, 40, 1))
    rules = result.broken if breaks else result.figures["late"]
    assert [rule for rule in rules if "lagged 50.0 ms" in rule]
    assert bool(result.broken) == breaks
