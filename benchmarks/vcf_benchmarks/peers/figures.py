# SPDX-License-Identifier: Apache-2.0
"""The comparison as figures and targets."""

from collections.abc import Mapping
from typing import Any

from vcf_benchmarks.harness.distribution import QUANTILES, encoded
from vcf_benchmarks.harness.machine import installed
from vcf_benchmarks.harness.result import Result, Target
from vcf_benchmarks.peers import side_by_side
from vcf_benchmarks.peers.measure import Line, Plan, Ratio, ours, p99_ratio, throughput_ratio
from vcf_benchmarks.peers.server import PEERS
from vcf_benchmarks.peers.side_by_side import TRITON_BESIDE
from vcf_benchmarks.peers.systems import IN_PROCESS, TRITON

PACKAGES = ("fastapi", "uvicorn", "bentoml", "litserve", "ray")


def add_figures(result: Result, lines: Mapping[str, Line], skipped: Mapping[str, str], plan: Plan) -> None:
    """Write figures, histograms, targets and broken rules into the result.

    A peer that is not installed is left out; one that is, and does not come up, breaks the run.
    """
    failed = {name: line.failed for name, line in lines.items() if line.failed}
    lines = {name: line for name, line in lines.items() if not line.failed}
    skipped = {**skipped, **failed}
    triton = ours(dict(lines))
    others = [line for name, line in lines.items() if name not in (TRITON, TRITON_BESIDE)]
    throughput = {
        line.system.name: side_by_side.ratio(lines[TRITON_BESIDE], line)
        if line.system.name == IN_PROCESS
        else throughput_ratio(triton, line)
        for line in others
    }
    p99 = {line.system.name: p99_ratio(triton, line) for line in others}
    result.figures = {
        "systems": {name: _entry(line) for name, line in lines.items()},
        "triton_over": {
            line.system.name: {
                "throughput": throughput[line.system.name].entry(),
                "p99": _optional(p99[line.system.name]),
            }
            for line in others
        },
        "skipped": dict(skipped),
        "versions": installed(PACKAGES),
    }
    for name, line in lines.items():
        if latencies_ms := [ms for turn in line.turns for ms in turn.latencies_ms]:
            result.histograms[name] = encoded(latencies_ms)
    result.targets = _targets(lines, throughput, p99, plan)
    claimed = [line for name, line in lines.items() if name in (TRITON, *PEERS)]
    result.broken = [
        *failed.values(),
        *(rule for line in lines.values() for rule in line.broken),
        *(rule for line in claimed for rule in line.late),
    ]
    # A client that serialises whole volumes holds up its own generator; latency counts that. No target is about it.
    result.figures["late"] = [rule for line in others if line not in claimed for rule in line.late]


def _targets(
    lines: Mapping[str, Line], throughput: Mapping[str, Ratio], p99: Mapping[str, Ratio | None], plan: Plan
) -> list[Target]:
    targets = []
    for name in PEERS:
        if name in lines:
            title = lines[name].system.title
            rate, p99_of = throughput[name], p99[name]
            assert p99_of is not None
            targets += [
                Target(f"throughput at saturation over {title}", rate.value, 1.0, False, rate.rounds),
                Target(f"p99 at {plan.load:.0%} of own maximum over {title}", p99_of.value, 1.0, windows=p99_of.rounds),
            ]
    return [*targets, side_by_side.target(lines[TRITON_BESIDE], lines[IN_PROCESS])]


def _entry(line: Line) -> dict[str, Any]:
    quantiles = [line.quantile(share) for share in QUANTILES]
    return {
        "title": line.system.title,
        "runtime": line.system.runs_on,
        "request": line.system.takes,
        "highest_per_s": [round(rate, 4) for rate in line.rates_per_s],
        "startup_s": [round(turn.startup_s, 2) for turn in line.turns],
        "client_core_ms": [round(turn.client_core_ms, 1) for turn in line.turns],
        "server_core_ms": [round(turn.server_core_ms, 1) for turn in line.turns],
        "percentiles": [found.entry() for found in quantiles if found],
        "p99_ms": [round(ms, 2) for ms in line.p99s_ms],
        "answers": sum(turn.answers for turn in line.turns),
        "failures": sum(len(turn.failures) for turn in line.turns),
    }


def _optional(ratio: Ratio | None) -> dict[str, float] | None:
    return None if ratio is None else ratio.entry()
