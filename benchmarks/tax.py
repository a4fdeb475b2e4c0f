# SPDX-License-Identifier: Apache-2.0
"""What serving costs: a study through Triton against the same pipeline in one process, one after the other in turn.

Latency is that of one study alone on the machine. Throughput is that of loops in which the next study follows as soon
as one is answered, each with the number of callers that makes it fastest; client, server and Triton share the cores
that the loop in one process has to itself.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from benchmarks.check import Check
from benchmarks.page import Section, svg
from benchmarks.processes import OTHER
from benchmarks.result import Result, Target

if TYPE_CHECKING:
    from benchmarks.closed_loop import Loop
    from benchmarks.own_process import PipelineProcess
    from clients import VcfClient
    from clients.study import Study

IN_PROCESS, CLIENT = "in one process", "client"
LATENCY_GOALS = {"crop": 1.15, "shm": 1.05}
"""By wire: p50 over p50."""
THROUGHPUT_GOAL = 0.95
LOOPS = 3
"""Of each way in a window, in turn: a machine that changes its speed within seconds does so for all ways."""
TRIALS = 3
"""Rounds of short loops that find the best number of callers, every other one backwards: in one, a slow second of the
machine would choose."""
MOST_WINDOWS = 6
"""Of saturated loops."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of ``vcf bench tax``."""
    parser.add_argument("--slices", type=int, default=300, help="of 512 × 512 pixels, default %(default)s")
    parser.add_argument("--runs", type=int, default=40, help="counted studies each way, default %(default)s")
    parser.add_argument(
        "--seconds", type=float, default=15.0, help="of saturated loops each way in a window, default %(default)s"
    )


def run(args: argparse.Namespace) -> Result:
    """Latency in turn, then saturated loops in turn."""
    from benchmarks.own_process import PipelineProcess
    from benchmarks.validity import watched, wrong
    from benchmarks.volumes import stretched_ct
    from benchmarks.windows import recent, rounds_of
    from clients import VcfClient
    from vcf.serve.server import ROOT, TritonServer

    study = stretched_ct(args.slices)
    result = Result("tax", {"slices": args.slices, "runs": args.runs, "seconds": args.seconds})
    with (
        PipelineProcess(study.volume) as pipeline,
        TritonServer(ROOT / "model_repository") as server,
        VcfClient(server.grpc_url, wire="crop") as crop,
        VcfClient(server.grpc_url, wire="shm") as shm,
    ):
        clients = {"crop": crop, "shm": shm}
        with watched(os.getpid()) as watch:
            check = Check(pipeline.scores())
            times, windows = _latencies(study, pipeline, clients, args.runs, check)
            loops, core_ms = _loops(study, pipeline, clients, args.seconds, check)
    for way, times_ms in times.items():
        _latency(result, way, times_ms, times[IN_PROCESS], rounds_of(args.runs))
    for way, rounds in loops.items():
        _throughput(result, way, rounds, loops[IN_PROCESS])
    rates = {way: [loop.per_s for loop in recent(rounds, LOOPS)] for way, rounds in loops.items()}
    result.broken += watch.broken
    if mistaken := wrong(check.answers, check.mistaken):
        result.broken.append(mistaken)
    result.figures["core_ms"] = core_ms
    result.figures["windows_until_settled"] = {
        "latency": windows,
        "throughput": len(loops[IN_PROCESS]) // LOOPS,
    }
    result.figures |= {"largest_score_difference": check.largest, "answers": check.answers}
    result.sections = _sections(result, times, rates)
    return result


def _latencies(
    study: "Study", pipeline: "PipelineProcess", clients: "Mapping[str, VcfClient]", runs: int, check: Check
) -> tuple[dict[str, list[float]], int]:
    """Times of all windows each way, and how many windows there were."""
    from benchmarks.timing import BREATH_S, paired_ms
    from benchmarks.windows import rounds_of, until_settled

    ways: dict[str, Callable[[], object]] = {IN_PROCESS: lambda: check.scores(pipeline.scores())}
    for wire, client in clients.items():
        ways[wire] = lambda client=client: check.findings(client.analyze(study))  # type: ignore[misc]
    times: dict[str, list[float]] = {way: [] for way in ways}

    def window() -> None:
        for way, times_ms in paired_ms(rounds_of(runs), breath_s=BREATH_S, **ways).items():
            times[way] += times_ms

    def unsettled() -> bool:
        return any(_latency_target(way, times[way], times[IN_PROCESS], rounds_of(runs)).unsettled for way in clients)

    return times, until_settled(window, unsettled)


def _loops(
    study: "Study", pipeline: "PipelineProcess", clients: "Mapping[str, VcfClient]", seconds: float, check: Check
) -> "tuple[dict[str, list[Loop]], dict[str, dict[str, float]]]":
    """Loops each way in turn, with the number of callers that was fastest in short loops; and what a study of
    theirs takes of the processor, by process, in milliseconds.
    """
    from benchmarks.closed_loop import closed_loop
    from benchmarks.windows import recent, until_settled

    cores = len(os.sched_getaffinity(0))

    pipeline_s = 0.0

    def in_process(at_once: int, seconds: float) -> "Loop":
        nonlocal pipeline_s
        found = pipeline.loop(at_once, seconds)
        pipeline_s += found.core_s
        for scores in found.scores:
            check.scores(scores)
        return found.loop

    def served(client: "VcfClient") -> "Callable[[int, float], Loop]":
        return lambda at_once, seconds: closed_loop(lambda: check.findings(client.analyze(study)), at_once, seconds)

    ways = {IN_PROCESS: in_process} | {wire: served(client) for wire, client in clients.items()}
    # As many as cores keep them busy in one process; served, the next study is prepared meanwhile.
    tried = {IN_PROCESS: (1, cores, cores + 1, 2 * cores)} | dict.fromkeys(clients, (cores + 1, 2 * cores, 3 * cores))
    best = fastest(ways, tried, seconds / LOOPS)
    loops: dict[str, list[Loop]] = {way: [] for way in ways}
    used_s: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    studies: dict[str, list[int]] = {way: [] for way in ways}

    def window() -> None:
        for way, loop in [*ways.items()] * LOOPS:
            before_s, answers_before = _core_s() | {IN_PROCESS: pipeline_s}, check.answers
            loops[way].append(loop(best[way], seconds / LOOPS))
            after_s = _core_s() | {IN_PROCESS: pipeline_s}
            used_s[way].append({part: core_s - before_s.get(part, 0.0) for part, core_s in after_s.items()})
            studies[way].append(check.answers - answers_before)

    def unsettled() -> bool:
        return any(_throughput_target(way, loops[way], loops[IN_PROCESS]).unsettled for way in clients)

    until_settled(window, unsettled, MOST_WINDOWS)
    return loops, {way: _core_ms(recent(used_s[way], LOOPS), recent(studies[way], LOOPS)) for way in ways}


def _core_ms(used_s: Sequence[Mapping[str, float]], studies: Sequence[int]) -> dict[str, float]:
    """Of a study by process, from what loops took and how many studies they answered."""
    parts = dict.fromkeys(part for loop in used_s for part in loop)
    return {part: 1e3 * sum(loop.get(part, 0.0) for loop in used_s) / sum(studies) for part in parts}


def fastest(
    ways: "Mapping[str, Callable[[int, float], Loop]]", tried: Mapping[str, Sequence[int]], seconds: float
) -> dict[str, int]:
    """Of the numbers of callers tried each way, the one with the highest rate, median of the trials."""
    pairs = [(way, callers) for way in ways for callers in tried[way]]
    per_s: dict[tuple[str, int], list[float]] = {pair: [] for pair in pairs}
    for trial in range(TRIALS):
        for way, callers in reversed(pairs) if trial % 2 else pairs:
            per_s[way, callers].append(ways[way](callers, seconds).per_s)
    return {way: max(tried[way], key=lambda callers: statistics.median(per_s[way, callers])) for way in ways}


def _core_s() -> dict[str, float]:
    """Processor time so far of this process, which is the client, and of the server's."""
    from benchmarks.processes import cpu_s_by_part

    parts = cpu_s_by_part(os.getpid())
    parts.pop(OTHER, None)  # the pipeline's process, which tells its own time, and the resource tracker
    return parts | {CLIENT: time.process_time()}


def _latency(result: Result, way: str, all_ms: list[float], all_in_process_ms: list[float], rounds: int) -> None:
    from benchmarks.distribution import encoded, percentile
    from benchmarks.timing import ratio_interval
    from benchmarks.windows import medians, recent

    times_ms, in_process_ms = recent(all_ms, rounds), recent(all_in_process_ms, rounds)
    result.figures.setdefault("latency", {})[way] = {
        "p50": percentile(times_ms, 0.5).entry(),
        "p90": percentile(times_ms, 0.9).entry(),
        "window_medians_ms": medians(all_ms, rounds),
        "over_in_process": statistics.median(times_ms) / statistics.median(in_process_ms),
        "over_in_process_interval": ratio_interval(times_ms, in_process_ms),
    }
    result.histograms[f"latency {way}"] = encoded(times_ms)
    if way in LATENCY_GOALS:
        result.targets.append(_latency_target(way, all_ms, all_in_process_ms, rounds))


def _latency_target(way: str, all_ms: list[float], all_in_process_ms: list[float], rounds: int) -> Target:
    from benchmarks.windows import ratios, recent

    ratio = statistics.median(recent(all_ms, rounds)) / statistics.median(recent(all_in_process_ms, rounds))
    windows = ratios(all_ms, all_in_process_ms, rounds)
    return Target(f"serving tax, p50 {way} over in one process", ratio, LATENCY_GOALS[way], windows=windows)


def _throughput(result: Result, way: str, rounds: "list[Loop]", in_process: "list[Loop]") -> None:
    from benchmarks.distribution import encoded
    from benchmarks.windows import recent

    counted = recent(rounds, LOOPS)
    result.figures.setdefault("throughput", {})[way] = {
        "at_once": rounds[0].at_once,
        "per_s": statistics.median(loop.per_s for loop in counted),
        "rounds_per_s": [loop.per_s for loop in rounds],
        "share_of_in_process": _throughput_target(way, rounds, in_process).value,
    }
    result.histograms[f"saturated latency {way}"] = encoded([ms for loop in counted for ms in loop.latencies_ms])
    if way != IN_PROCESS:
        result.targets.append(_throughput_target(way, rounds, in_process))


def _throughput_target(way: str, rounds: "list[Loop]", in_process: "list[Loop]") -> Target:
    """Studies of a window's loops over studies of those in one process."""
    from benchmarks.windows import means, recent

    ours, theirs = (means([loop.per_s for loop in loops], LOOPS) for loops in (rounds, in_process))
    shares = tuple(a / b for a, b in zip(ours, theirs, strict=True))
    share = statistics.median(recent(shares, 1))
    return Target(f"throughput at saturation, {way} over in one process", share, THROUGHPUT_GOAL, False, shares)


def _sections(result: Result, times: Mapping[str, list[float]], rates: Mapping[str, list[float]]) -> list[Section]:
    latency, throughput = result.figures["latency"], result.figures["throughput"]
    core_ms = result.figures["core_ms"]
    return [
        Section(
            "One study at a time",
            f"{result.settings['slices']} slices in memory, in turn; the line is the goal, the bar the median. The "
            "interval of the ratio is that of a bootstrap over the rounds.",
            _boxes(times),
            ("", "p50 ms", "p90 ms", "over in one process", "95 % interval"),
            [
                (
                    way,
                    one["p50"]["ms"],
                    one["p90"]["ms"],
                    one["over_in_process"],
                    "–".join(f"{end:.3f}" for end in one["over_in_process_interval"]),
                )
                for way, one in latency.items()
            ],
        ),
        Section(
            "At saturation",
            "A closed loop: every caller sends its next study when the last one is answered.",
            _bars(rates),
            ("", "callers", "studies/s", "of in one process"),
            [(way, one["at_once"], one["per_s"], one["share_of_in_process"]) for way, one in throughput.items()],
        ),
        Section(
            "Where the difference goes",
            "Processor time of a study at saturation, ms, by process. In one process it is one figure; what a server's "
            "client and its steps take beyond it is the cost of serving: messages, and voxels that change processes.",
            header=("process", *core_ms),
            rows=[
                *(
                    (part, *(f"{parts.get(part, 0.0):.1f}" for parts in core_ms.values()))
                    for part in sorted({p for parts in core_ms.values() for p in parts if parts[p] >= 0.1})
                ),
                ("sum", *(f"{sum(parts.values()):.1f}" for parts in core_ms.values())),
            ],
        ),
    ]


def _boxes(times: Mapping[str, list[float]]) -> str:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 2.2))
    axes = figure.subplots()
    axes.boxplot(list(times.values()), orientation="horizontal", widths=0.6, showfliers=True)
    axes.set_yticks(range(1, len(times) + 1), list(times))
    middle = statistics.median(times[IN_PROCESS])
    for row, way in enumerate(times, 1):
        if way in LATENCY_GOALS:
            axes.plot([middle * LATENCY_GOALS[way]] * 2, [row - 0.4, row + 0.4], color="tab:red")
    axes.set_xlim(left=0)
    axes.set_xlabel("ms")
    axes.invert_yaxis()
    return svg(figure)


def _bars(rates: Mapping[str, list[float]]) -> str:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 2.0))
    axes = figure.subplots()
    middle = statistics.median(rates[IN_PROCESS])
    for row, (way, rounds) in enumerate(rates.items()):
        axes.barh(row, statistics.median(rounds), color="tab:blue" if way == IN_PROCESS else "tab:green", height=0.6)
        axes.plot(rounds, [row] * len(rounds), "k|")
    axes.axvline(middle * THROUGHPUT_GOAL, color="tab:red")
    axes.set_yticks(range(len(rates)), list(rates))
    axes.set_xlabel("studies/s; each mark is a loop, the line the goal")
    axes.invert_yaxis()
    return svg(figure)
