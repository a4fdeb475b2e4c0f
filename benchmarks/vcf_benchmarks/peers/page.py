# SPDX-License-Identifier: Apache-2.0
"""The page of ``vcf bench peers``."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from vcf_benchmarks.harness.page import BLUE, GREY, ORANGE, Cell, Document, Section, axes_of, interval, svg
from vcf_benchmarks.peers.options import NAMES

IN_PROCESS = "in_process"

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

Line = Mapping[str, Any]


def sections(document: Document) -> list[Section]:
    """Return the sections of the page."""
    figures = document["figures"]
    lines: Mapping[str, Line] = figures["systems"]
    found = [_rates(document, lines), _latencies(document, lines), _ratios(figures, lines), _choices(document)]
    if figures["late"]:
        rows = [[rule] for rule in figures["late"]]
        found.append(Section("Late, in lines that no target is about", header=("",), rows=rows))
    if figures["skipped"]:
        found.append(Section("Left out", header=("system", "why"), rows=list(figures["skipped"].items())))
    return found


def _colour(name: str) -> str:
    if name == IN_PROCESS:
        return GREY
    return ORANGE if name in NAMES else BLUE


def _middle(rates: Sequence[float]) -> float:
    return sorted(rates)[len(rates) // 2]


def _rates(document: Document, lines: Mapping[str, Line]) -> Section:
    figure, axes = axes_of(8.2, 0.45 * len(lines) + 1)
    for place, (name, line) in enumerate(lines.items()):
        rates = line["highest_per_s"]
        axes.barh(place, _middle(rates), color=_colour(name), alpha=0.55, height=0.6)
        axes.plot(rates, [place] * len(rates), "o", color=_colour(name), ms=4)
    _systems_axis(axes, list(lines.values()))
    axes.set(xlabel="studies a second at saturation; bar: median, dots: rounds", xlim=(0, None))
    rows: list[list[Cell]] = [
        [
            line["title"],
            line["runtime"],
            line["request"],
            _middle(line["highest_per_s"]),
            ", ".join(f"{rate:.3g}" for rate in line["highest_per_s"]),
            *(f"{statistics.median(line[side]):.0f}" for side in ("client_core_ms", "server_core_ms")),
            ", ".join(f"{seconds:.1f}" for seconds in line["startup_s"]) if name != IN_PROCESS else None,
        ]
        for name, line in lines.items()
    ]
    settings = document["settings"]
    return Section(
        "Throughput at saturation",
        f"Closed loop of {settings['callers']} callers, {settings['seconds']:g} s a round. Client and server: "
        "processor time of a study, ms, median of the rounds. Ready: seconds from start to readiness.",
        svg(figure),
        ("system", "networks on", "request", "studies/s", "rounds", "client", "server", "ready, s"),
        rows,
    )


def _latencies(document: Document, lines: Mapping[str, Line]) -> Section:
    served = {name: line for name, line in lines.items() if line["percentiles"]}
    figure, axes = axes_of(8.2, 0.45 * len(served) + 1)
    rows: list[list[Cell]] = []
    for place, (name, line) in enumerate(served.items()):
        found = line["percentiles"]
        axes.hlines(place, found[0]["ms"], found[-1]["ms"], color=_colour(name), lw=6, alpha=0.35)
        for quantile, marker in zip(found, "|do", strict=True):
            axes.plot(quantile["ms"], place, marker, color=_colour(name), ms=8 if marker == "|" else 5)
        of_rounds = ", ".join(f"{ms:.0f}" for ms in line["p99_ms"])
        rows.append([line["title"], found[0]["n"], *map(interval, found), of_rounds])
    _systems_axis(axes, list(served.values()))
    axes.set(xlabel="latency, ms: p50 |, p90 ◆, p99 ●", xlim=(0, None))
    return Section(
        f"Latency at {document['settings']['load']:.0%} of each one's own maximum",
        "Poisson arrivals; from the scheduled time of a study to its findings, with intervals of 95 %; a ? is an end "
        "that so few studies cannot give.",
        svg(figure),
        ("system", "n", "p50, ms", "p90, ms", "p99, ms", "p99 of rounds"),
        rows,
    )


def _systems_axis(axes: Any, lines: Sequence[Line]) -> None:
    axes.set_yticks(range(len(lines)), [line["title"] for line in lines])
    axes.invert_yaxis()


def _ratios(figures: Mapping[str, Any], lines: Mapping[str, Line]) -> Section:
    return Section(
        "Triton over the others",
        "Ratios within a round, median (least to greatest); over the loop those within a window, median of the last "
        "three; of p99 the ratio of all rounds together. More throughput and less p99 is better.",
        header=("over", "throughput", "p99"),
        rows=[
            [lines[name]["title"], *(_ratio(over[figure]) for figure in ("throughput", "p99"))]
            for name, over in figures["triton_over"].items()
        ],
    )


def _ratio(found: Mapping[str, float] | None) -> str | None:
    return None if found is None else "{value:.2f} ({least:.2f}–{greatest:.2f})".format(**found)


def _choices(document: Document) -> Section:
    settings = document["settings"]
    values = {
        "workers": settings["peer_workers"],
        "threads": settings["peer_threads"],
        "callers": settings["callers"],
        "load": settings["load"],
    }
    return Section(
        "What was chosen, and why",
        "Servers of the peers: `peers/with_*.py`, each after its own documentation.",
        header=("choice", ""),
        rows=[[name, text.format(**values)] for name, text in CHOICES],
    )
