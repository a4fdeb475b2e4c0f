# SPDX-License-Identifier: Apache-2.0
"""Studies of several sizes: latency, processor time and peak memory against slices and patches, with the exponents.

The cost is that of the whole call, from a volume in the client's memory to its findings. Exponents are slopes of a
straight line through the logarithms: 1 is growth in proportion, less means that some cost does not grow at all.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks.check import Check
from benchmarks.page import Section, svg
from benchmarks.result import Result, Target

if TYPE_CHECKING:
    from clients import Findings
    from clients.study import Study

SIZES = ((40, 5.0), (133, 2.5), (300, 1.0), (700, 1.0))
"""Slices and their distance in mm: 200, 333, 300 and 700 mm of body."""
WIRES = ("crop", "shm", "volume")
OTHER = {"crop": "volume", "shm": "volume", "volume": "crop"}
"""Whose first answer is the right one for a wire."""
EXPONENT_GOAL = 1.05
MEMORY_GOAL = 2.0
"""Peak growth of the server for each study in flight, over the bytes sent."""
AT_ONCE = 4
"""Studies in flight when memory is measured."""
CLIENT = "client"
MOST_WINDOWS = 6


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of ``vcf bench sizes``."""
    parser.add_argument("--runs", type=int, default=15, help="studies of each size that count, default %(default)s")


@dataclass
class Cost:
    """Of one size by one wire."""

    slices: int
    spacing_mm: float
    volume_bytes: int
    times_ms: list[float] = field(default_factory=list)
    core_s: list[float] = field(default_factory=list)
    patches: int = 0
    sent_bytes: int = 0
    """Messages, and what they name in shared memory."""
    server_growth_bytes: float = 0.0
    """Of all processes of the server together at their peak, for each study in flight."""
    peak_growth_bytes: dict[str, float] = field(default_factory=dict)
    """Of each process at its own peak, for each study in flight."""
    answers: list[list[float]] = field(default_factory=list)

    def mistaken(self, right: Sequence[float]) -> int:
        """Answers that differ from these scores."""
        check = Check(right)
        for scores in self.answers:
            check.scores(scores)
        return check.mistaken

    def answered(self, findings: "Findings") -> None:
        """Note what an answer says."""
        self.patches = len(findings.patches)
        self.sent_bytes = findings.bytes_sent
        self.answers.append([patch.score for patch in findings.patches])


def run(args: argparse.Namespace) -> Result:
    """All sizes in turn on one server; then memory, with a fresh server for each size and wire."""
    from benchmarks.validity import watched, wrong
    from benchmarks.volumes import stretched_ct
    from benchmarks.windows import rounds_of

    result = Result("sizes", {"runs": args.runs, "sizes": SIZES, "at_once": AT_ONCE})
    costs: dict[str, list[Cost]] = {wire: [] for wire in WIRES}
    studies = []
    for slices, spacing_mm in SIZES:
        studies.append(stretched_ct(slices, slices * spacing_mm))
        for wire in WIRES:
            costs[wire].append(Cost(slices, spacing_mm, studies[-1].volume.hu.nbytes))
    with watched(os.getpid()) as watch:
        result.figures["windows_until_settled"] = _time(studies, costs, args.runs)
    for number, study in enumerate(studies):
        for wire in WIRES:
            _weigh(study, wire, costs[wire][number])
    for in_messages, shared in zip(costs["crop"], costs["shm"], strict=True):
        shared.sent_bytes = in_messages.sent_bytes  # the same voxels, named in a message rather than sent in it
    _account(result, costs, rounds_of(args.runs))
    every = [(cost, other) for wire in WIRES for cost, other in zip(costs[wire], costs[OTHER[wire]], strict=True)]
    result.broken += watch.broken
    mistaken = sum(cost.mistaken(other.answers[0]) for cost, other in every)
    if rule := wrong(sum(len(cost.answers) for cost, _ in every), mistaken):
        result.broken.append(rule)
    result.sections = [_section(wire, of_wire, result) for wire, of_wire in costs.items()]
    return result


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """Slope of the line of least squares through the logarithms."""
    import numpy as np

    if min(sizes) <= 0 or min(costs) <= 0:
        raise ValueError(f"a power law needs positive numbers, found {min(*sizes, *costs)}")
    return float(np.polyfit(np.log(sizes), np.log(costs), 1)[0])


def _window_exponents(slices: Sequence[float], windows: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """Of each part of the run; ``windows`` are those of each size. Sizes took turns, so a slow minute is in all."""
    return tuple(exponent(slices, of_all) for of_all in zip(*windows, strict=True))


def _time(studies: "Sequence[Study]", costs: Mapping[str, list[Cost]], runs: int) -> int:
    """Fill the costs with the last three windows; how many there were."""
    from contextlib import ExitStack

    from benchmarks.processes import cpu_s
    from benchmarks.windows import rounds_of, until_settled
    from clients import VcfClient
    from vcf.serve.server import ROOT, TritonServer

    with TritonServer(ROOT / "model_repository") as server, ExitStack() as opened:
        clients = {wire: opened.enter_context(VcfClient(server.grpc_url, wire=wire)) for wire in WIRES}

        def one_round(*, counted: bool) -> None:
            for number, study in enumerate(studies):
                for wire, client in clients.items():
                    core_s, started = time.process_time() + cpu_s(os.getpid()), time.perf_counter()
                    findings = client.analyze(study)
                    took_ms = (time.perf_counter() - started) * 1e3
                    core_s = time.process_time() + cpu_s(os.getpid()) - core_s
                    cost = costs[wire][number]
                    cost.answered(findings)
                    if counted:
                        cost.times_ms.append(took_ms)
                        cost.core_s.append(core_s)

        def window() -> None:
            for _ in range(rounds_of(runs)):
                one_round(counted=True)

        def unsettled() -> bool:
            return any(t.unsettled for wire in WIRES for t in _exponents(wire, costs[wire], rounds_of(runs)))

        one_round(counted=False)
        return until_settled(window, unsettled, MOST_WINDOWS)


def _exponents(wire: str, of_wire: Sequence[Cost], rounds: int) -> list[Target]:
    """Of latency and of processor time, in the windows that count and in each."""
    from benchmarks.windows import means, medians, recent

    slices = [cost.slices for cost in of_wire]
    measures: tuple[tuple[str, Callable[..., float], Callable[..., list[float]], list[list[float]]], ...] = (
        ("latency", statistics.median, medians, [cost.times_ms for cost in of_wire]),
        ("core-seconds", statistics.mean, means, [cost.core_s for cost in of_wire]),
    )
    return [
        Target(
            f"exponent of {name} by slices, {wire}",
            exponent(slices, [middle(recent(values, rounds)) for values in every]),
            EXPONENT_GOAL,
            windows=_window_exponents(slices, [of_windows(values, rounds) for values in every]),
        )
        for name, middle, of_windows, every in measures
    ]


def _weigh(study: "Study", wire: str, cost: Cost) -> None:
    """Peak memory with `AT_ONCE` studies in flight, twice as many in all, of a server that has seen none before."""
    from benchmarks.memory import Meter, server_processes
    from clients import VcfClient
    from vcf.serve.server import ROOT, TritonServer

    with (
        TritonServer(ROOT / "model_repository") as server,
        VcfClient(server.grpc_url, wire=wire) as client,
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        # The client's own memory, which is that of the benchmark, is measured beside the server's and not added.
        server_only = Meter(server_processes(os.getpid()), f"vcf-{os.getpid()}-")
        with Meter({CLIENT: os.getpid()}) as client_only, server_only:
            for waiting in [pool.submit(client.analyze, study) for _ in range(2 * AT_ONCE)]:
                cost.answered(waiting.result())
    cost.server_growth_bytes = server_only.growth_bytes / AT_ONCE
    cost.peak_growth_bytes = {
        name: (peak - meter.before_bytes.get(name, 0)) / AT_ONCE
        for meter in (client_only, server_only)
        for name, peak in meter.peak_bytes.items()
    }


def _account(result: Result, costs: Mapping[str, list[Cost]], rounds: int) -> None:
    from benchmarks.distribution import encoded, percentile
    from benchmarks.windows import recent

    for wire, of_wire in costs.items():
        slices, patches = [cost.slices for cost in of_wire], [cost.patches for cost in of_wire]
        p50_ms = [percentile(recent(cost.times_ms, rounds), 0.5) for cost in of_wire]
        measures: dict[str, list[float]] = {
            "latency": [p50.ms for p50 in p50_ms],
            "core_seconds": [statistics.mean(recent(cost.core_s, rounds)) for cost in of_wire],
            "server_memory": [max(cost.server_growth_bytes, 1.0) for cost in of_wire],
        }
        exponents = {
            name: {"slices": exponent(slices, values), "patches": exponent(patches, values)}
            for name, values in measures.items()
        }
        result.figures[wire] = {
            "sizes": [
                {
                    "slices": cost.slices,
                    "spacing_mm": cost.spacing_mm,
                    "patches": cost.patches,
                    "p50": p50.entry(),
                    "core_s": core_s,
                    "sent_mb": cost.sent_bytes / 1e6,
                    "server_growth_mb": cost.server_growth_bytes / 1e6,
                    "times_sent": cost.server_growth_bytes / cost.sent_bytes,
                    "peak_growth_mb": {name: nbytes / 1e6 for name, nbytes in cost.peak_growth_bytes.items()},
                }
                for cost, p50, core_s in zip(of_wire, p50_ms, measures["core_seconds"], strict=True)
            ],
            "exponents": exponents,
        }
        for cost in of_wire:
            result.histograms[f"{wire}, {cost.slices} slices"] = encoded(recent(cost.times_ms, rounds))
        worst = max(one["times_sent"] for one in result.figures[wire]["sizes"])
        result.targets += [
            *_exponents(wire, of_wire, rounds),
            Target(f"exponent of server memory by slices, {wire}", exponents["server_memory"]["slices"], EXPONENT_GOAL),
            Target(f"server memory a study in flight over bytes sent, {wire}", worst, MEMORY_GOAL),
        ]


def _section(wire: str, of_wire: Sequence[Cost], result: Result) -> Section:
    figures = result.figures[wire]
    found = ", ".join(
        f"{name.replace('_', ' ')} {by['slices']:.2f} by slices and {by['patches']:.2f} by patches"
        for name, by in figures["exponents"].items()
    )
    processes = sorted(
        {name for cost in of_wire for name, nbytes in cost.peak_growth_bytes.items() if nbytes > 1e6},
        key=lambda name: (name != CLIENT, name),
    )
    return Section(
        f"Wire {wire}",
        f"Exponents: {found}. Memory in MB is growth at the peak for each of {AT_ONCE} studies in flight: all of the "
        "server at one time, shared memory once; then each process at its own peak.",
        _picture(of_wire),
        ("slices", "patches", "p50 ms", "core-s", "MB sent", "server", "times sent", *processes),
        [
            (
                cost.slices,
                one["patches"],
                one["p50"]["ms"],
                one["core_s"],
                one["sent_mb"],
                one["server_growth_mb"],
                one["times_sent"],
                *(one["peak_growth_mb"].get(name, 0.0) for name in processes),
            )
            for cost, one in zip(of_wire, figures["sizes"], strict=True)
        ],
    )


def _picture(of_wire: Sequence[Cost]) -> str:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 2.6))
    measures: tuple[tuple[str, Callable[[Cost], float]], ...] = (
        ("p50, ms", lambda cost: statistics.median(cost.times_ms)),
        ("core-seconds", lambda cost: statistics.mean(cost.core_s)),
        ("server MB a study", lambda cost: cost.server_growth_bytes / 1e6),
    )
    all_axes: Any = figure.subplots(1, len(measures))
    slices = [cost.slices for cost in of_wire]
    for axes, (label, measure) in zip(all_axes, measures, strict=True):
        values = [measure(cost) for cost in of_wire]
        axes.loglog(slices, values, "o-")
        axes.loglog(slices, [values[0] * n / slices[0] for n in slices], ":", color="tab:gray")
        axes.set_xticks(slices, [str(n) for n in slices])
        axes.set_xticks([], minor=True)
        axes.set_xlabel("slices (dots: in proportion)")
        axes.set_title(label, fontsize=10)
    figure.tight_layout()
    return svg(figure)
