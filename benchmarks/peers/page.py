# SPDX-License-Identifier: Apache-2.0
"""The comparison as figures, targets and pictures."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from benchmarks.distribution import QUANTILES, encoded
from benchmarks.page import Cell, Section, svg
from benchmarks.peers import side_by_side
from benchmarks.peers.measure import Line, Plan, Ratio, ours, p99_ratio, throughput_ratio
from benchmarks.peers.server import PEERS
from benchmarks.peers.side_by_side import TRITON_BESIDE
from benchmarks.peers.systems import IN_PROCESS, TRITON
from benchmarks.result import Result, Target, installed

PACKAGES = ("fastapi", "uvicorn", "bentoml", "litserve", "ray")
OURS, THEIRS, LOOP = "#0b6e99", "#c26a00", "#777777"

CHOICES = (
    (
        "request",
        "One whole volume of int16 and its spacing. FastAPI and Ray Serve read it from the body of an HTTP "
        "request; BentoML and LitServe, which document files and JSON only, from a multipart form. Triton gets what "
        "its client sends by default (detector images, then the crop about the spine: client work that counts in its "
        "time) and, like with like, the whole volume over gRPC. Everything stays on this machine.",
    ),
    (
        "answer",
        "All findings, the mid-sagittal picture included; every answer's scores are compared with those of the "
        "same pipeline run alone in one process.",
    ),
    (
        "runtime",
        "Peers run the ONNX files on ONNX Runtime, the choice of their documentation; Triton its `cpu` form, "
        "which convolves with OpenVINO. The line “Triton, ONNX Runtime” has the peers' runtime and their whole volume: "
        "what it differs by is the server alone.",
    ),
    (
        "processes",
        "Peers have {workers} worker process(es), one study at a time in each, and {threads} thread(s) a network; "
        "FastAPI's thread pool may take more at a time. Triton and the in-process loop as the product sets them up.",
    ),
    (
        "turns",
        "A B C … A B C …: a system starts, warms up, runs its closed loop of {callers} callers, then Poisson arrivals "
        "at {load:.0%} of the rate just found, and stops before the next one starts. In a round all have the same "
        "pattern of arrivals, stretched to their rates. Latency counts from the scheduled time. Last come Triton and "
        "the in-process loop, both up and each in turn the only one at work, A B B A in windows, until three of them "
        "agree or all lie on one side of the goal.",
    ),
)


def fill(result: Result, lines: Mapping[str, Line], skipped: Mapping[str, str], plan: Plan) -> None:
    """Figures, histograms, targets, broken rules and sections.

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
    result.sections = [
        _rates(lines, plan),
        _latencies(lines, plan),
        _ratios(others, throughput, p99),
        _choices(result, plan),
    ]
    if result.figures["late"]:
        rows = [[rule] for rule in result.figures["late"]]
        result.sections.append(Section("Late, in lines that no target is about", header=("",), rows=rows))
    if skipped:
        result.sections.append(Section("Left out", header=("system", "why"), rows=[*map(list, skipped.items())]))


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


def _colour(line: Line) -> str:
    if line.system.name == IN_PROCESS:
        return LOOP
    return THEIRS if line.system.name in PEERS else OURS


def _rates(lines: Mapping[str, Line], plan: Plan) -> Section:
    figure = Figure(figsize=(8.2, 0.45 * len(lines) + 1))
    axes = figure.add_subplot()
    for place, line in enumerate(lines.values()):
        axes.barh(place, sorted(line.rates_per_s)[len(line.turns) // 2], color=_colour(line), alpha=0.55, height=0.6)
        axes.plot(line.rates_per_s, [place] * len(line.turns), "o", color=_colour(line), ms=4)
    _systems_axis(axes, list(lines.values()))
    axes.set(xlabel="studies a second at saturation; bar: median, dots: rounds", xlim=(0, None))
    rows = [
        [
            line.system.title,
            line.system.runs_on,
            line.system.takes,
            sorted(line.rates_per_s)[len(line.turns) // 2],
            ", ".join(f"{rate:.3g}" for rate in line.rates_per_s),
            *_core_ms(line),
            ", ".join(f"{turn.startup_s:.1f}" for turn in line.turns) if line.system.name != IN_PROCESS else None,
        ]
        for line in lines.values()
    ]
    return Section(
        "Throughput at saturation",
        f"Closed loop of {plan.callers} callers, {plan.seconds:g} s a round. Client and server: processor time of a "
        "study, ms, median of the rounds. Ready: seconds from start to readiness.",
        svg(figure),
        ("system", "networks on", "request", "studies/s", "rounds", "client", "server", "ready, s"),
        rows,
    )


def _core_ms(line: Line) -> list[Cell]:
    sides = ([turn.client_core_ms for turn in line.turns], [turn.server_core_ms for turn in line.turns])
    return [f"{statistics.median(core_ms):.0f}" for core_ms in sides]


def _latencies(lines: Mapping[str, Line], plan: Plan) -> Section:
    served = [line for line in lines.values() if line.quantile(0.5)]
    figure = Figure(figsize=(8.2, 0.45 * len(served) + 1))
    axes = figure.add_subplot()
    rows: list[list[Cell]] = []
    for place, line in enumerate(served):
        found = [quantile for share in QUANTILES if (quantile := line.quantile(share))]
        axes.hlines(place, found[0].ms, found[-1].ms, color=_colour(line), lw=6, alpha=0.35)
        for quantile, marker in zip(found, "|do", strict=True):
            axes.plot(quantile.ms, place, marker, color=_colour(line), ms=8 if marker == "|" else 5)
        calls = sum(len(turn.calls) for turn in line.turns)
        rows.append([line.system.title, calls, *map(str, found), ", ".join(f"{ms:.0f}" for ms in line.p99s_ms)])
    _systems_axis(axes, served)
    axes.set(xlabel="latency, ms: p50 |, p90 ◆, p99 ●", xlim=(0, None))
    return Section(
        f"Latency at {plan.load:.0%} of each one's own maximum",
        "Poisson arrivals; from the scheduled time of a study to its findings, with intervals of 95 %; a ? is an end "
        "that so few studies cannot give.",
        svg(figure),
        ("system", "n", "p50, ms", "p90, ms", "p99, ms", "p99 of rounds"),
        rows,
    )


def _systems_axis(axes: Any, lines: Sequence[Line]) -> None:
    axes.set_yticks(range(len(lines)), [line.system.title for line in lines])
    axes.invert_yaxis()
    axes.grid(True, axis="x", which="both", alpha=0.25)


def _ratios(others: Sequence[Line], throughput: Mapping[str, Ratio], p99: Mapping[str, Ratio | None]) -> Section:
    rows = []
    for line in others:
        ratio = p99[line.system.name]
        rows.append([line.system.title, str(throughput[line.system.name]), None if ratio is None else str(ratio)])
    return Section(
        "Triton over the others",
        "Ratios within a round, median (least to greatest); over the loop those within a window, median of the last "
        "three; of p99 the ratio of all rounds together. More throughput and less p99 is better.",
        header=("over", "throughput", "p99"),
        rows=rows,
    )


def _choices(result: Result, plan: Plan) -> Section:
    values = {
        "workers": result.settings["peer_workers"],
        "threads": result.settings["peer_threads"],
        "callers": plan.callers,
        "load": plan.load,
    }
    return Section(
        "What was chosen, and why",
        "Servers of the peers: benchmarks/peers/with_*.py, each after its own documentation.",
        header=("choice", ""),
        rows=[[name, text.format(**values)] for name, text in CHOICES],
    )
