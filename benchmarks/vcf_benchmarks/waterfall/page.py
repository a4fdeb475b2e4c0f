# SPDX-License-Identifier: Apache-2.0
"""The page of ``vcf bench waterfall``."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from vcf_benchmarks.harness.page import Cell, Document, Section, svg
from vcf_benchmarks.waterfall.kinds import OUTSIDE, PERF_ANALYZER, REMAINDER_SHARE, Kind
from vcf_benchmarks.waterfall.picture import by_kind_ms, side_by_side, waterfall

Found = Mapping[str, Mapping[str, Any]]
"""Figures of each transport."""


def sections(document: Document) -> list[Section]:
    """Return the sections of the page."""
    figures = document["figures"]
    found: Found = figures["transports"]
    made = [Section("How to read this", _method(figures["clock_offset_ms"]))]
    if found:
        made += [_kinds(found), _split(found)]
    for name, of in found.items():
        made.append(_parts(name, of))
        if name in figures.get("statistics_ms", {}):
            made.append(_statistics(name, figures["statistics_ms"][name]))
    return made


def pictures(document: Document) -> dict[str, Figure]:
    """Return the pictures beside the page: each transport's waterfall, and all of them in one."""
    found: Found = document["figures"]["transports"]
    together = {"transports": _side_by_side(found)} if len(found) > 1 else {}
    return together | {name: _waterfall(name, of) for name, of in found.items()}


def _side_by_side(found: Found) -> Figure:
    return side_by_side({name: of["median_study"] for name, of in found.items()})


def _waterfall(transport: str, of: Mapping[str, Any]) -> Figure:
    study = of["median_study"]
    return waterfall(
        study,
        f"One study by {transport}: {study['whole_ms']:.0f} ms from DICOM files to report, "
        f"{of['patches']} patches, {of['bytes_sent'] / 1e6:.1f} MB sent",
    )


def _method(offset_ms: Mapping[str, float] | None) -> str:
    if offset_ms is None:
        clocks = (
            "The server's trace was not to be had, so a request, its way there and back included, is one bar; "
            "Triton's statistics say how long each model waited and ran, but not when."
        )
    else:
        used = offset_ms["used"]
        relation = f"so {used:,.2f} ms were added to its times" if used else "so they are one clock"
        clocks = (
            "The client's events and Triton's trace are joined by request id. No request arrives before it is sent: "
            f"every exchange brackets the clocks' offset, and all together put client less server between "
            f"{offset_ms['low']:,.3f} and {offset_ms['high']:,.3f} ms, {relation}; a border between client and "
            f"server is uncertain by {offset_ms['uncertainty']:.2f} ms at most."
        )
    return (
        f"{clocks} Each instant is given to what is at work in it, in equal shares where several models run in "
        "parallel; waiting in a queue counts while nothing works. The parts and the remainder, which is code between "
        f"the parts, add up to the whole; a run with a remainder over {REMAINDER_SHARE:.0%} does not hold."
    )


def _kinds(found: Found) -> Section:
    studies = {name: of["median_study"] for name, of in found.items()}
    of_kinds = [by_kind_ms(study) for study in studies.values()]
    rows: list[list[Cell]] = [
        [str(kind), *(of_kind.get(kind) for of_kind in of_kinds)]
        for kind in Kind
        if any(kind in of_kind for of_kind in of_kinds)
    ]
    rows += [
        ["remainder", *(study["remainder_ms"] for study in studies.values())],
        ["whole", *(study["whole_ms"] for study in studies.values())],
        ["whole, over all studies", *(_ranged(of["whole_ms"]) for of in found.values())],
    ]
    text = "Milliseconds of the median study of each transport; below them the median and the range of all studies."
    plot = svg(_side_by_side(found)) if len(found) > 1 else ""
    return Section("Where the time goes", text, plot, ("", *found), rows)


def _split(found: Found) -> Section:
    rows: list[list[Cell]] = [
        [name, *(_ranged(of["split_ms"][name]) for of in found.values())]
        for name in (*PERF_ANALYZER, str(Kind.WHOLE_EXCHANGE), OUTSIDE)
        if any(of["split_ms"][name]["max"] for of in found.values())
    ]
    text = (
        "Milliseconds over all requests of a study, median and range of all studies, in the categories of "
        "perf_analyzer; the last line is what a load generator does not see: reading, preparation, findings, report."
    )
    return Section("As perf_analyzer splits it", text, header=("", *found), rows=rows)


def _parts(transport: str, of: Mapping[str, Any]) -> Section:
    study = of["median_study"]
    whole, remainder = study["whole_ms"], study["remainder_ms"]
    rows: list[list[Cell]] = [
        [
            part["part"],
            part["kind"],
            part["request"] or "",
            f"{part['start_ms']:.1f}",
            f"{part['end_ms']:.1f}",
            f"{part['of_whole_ms']:.2f}",
            _ranged(part["of_whole_all_studies_ms"]),
        ]
        for part in study["parts"]
    ]
    rows += [
        ["remainder", "", "", "", "", f"{remainder:.2f}", _ranged(of["remainder_ms"])],
        ["whole", "", "", "0.0", f"{whole:.1f}", f"{whole:.2f}", _ranged(of["whole_ms"])],
    ]
    header = ("part", "kind", "request", "from ms", "to ms", "ms of whole", "all studies: median (range)")
    text = f"The median of {of['studies']} studies. {remainder / whole:.1%} of it is remainder."
    return Section(f"By {transport}", text, svg(_waterfall(transport, of)), header, rows)


def _statistics(transport: str, models: Mapping[str, Mapping[str, float]]) -> Section:
    kinds = (Kind.QUEUE, Kind.INPUT, Kind.COMPUTE, Kind.OUTPUT)
    rows: list[list[Cell]] = [
        [model, *(times.get(str(kind), 0.0) for kind in kinds)] for model, times in models.items()
    ]
    text = "Mean milliseconds of a study from Triton's statistics. Models in parallel count in full: no sum is meant."
    return Section(f"By {transport}: the server's statistics", text, header=("model", *map(str, kinds)), rows=rows)


def _ranged(spread: Mapping[str, float]) -> str:
    low, middle, high = (_short(spread[name]) for name in ("min", "median", "max"))
    return f"{middle} ({low}–{high})"


def _short(ms: float) -> str:
    return f"{ms:,.0f}" if ms >= 100 else f"{ms:.1f}"
