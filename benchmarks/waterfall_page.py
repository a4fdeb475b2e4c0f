# SPDX-License-Identifier: Apache-2.0
"""Figures, tables and pictures of a waterfall run."""

import statistics
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from benchmarks.page import Section, png, svg
from benchmarks.result import Result
from benchmarks.waterfall_client import ANSWER, SERIALISE, ClientRecord
from benchmarks.waterfall_measure import REMAINDER_SHARE, Accounts, Measured, median_study
from benchmarks.waterfall_picture import side_by_side, waterfall
from benchmarks.waterfall_timeline import Account, Kind, Offset, Part

Name = tuple[str | None, str, Kind]
"""Door, label and kind: the same part in every study."""

PERF_ANALYZER = ("client send/receive", "network", "queue", "compute input", "compute infer", "compute output")
OUTSIDE = "outside the requests"


def fill(result: Result, measured: Measured) -> None:
    """Put a run into its result."""
    result.broken += measured.broken
    result.figures |= {
        "windows_until_settled": measured.windows,
        "server_times_from": "trace" if measured.offset else "statistics",
        "clock_offset_ms": _offset_ms(measured.offset),
        "wires": {wire: _figures(accounts) for wire, accounts in measured.accounts.items() if accounts},
    }
    if measured.statistics_ms:
        result.figures["statistics_ms"] = measured.statistics_ms
    result.histograms |= {
        f"{wire}_ms": [round(account.whole_ns / 1e6, 3) for _, account in accounts]
        for wire, accounts in measured.accounts.items()
    }
    result.sections.append(Section("How to read this", _method(measured.offset)))
    shown = {wire: median_study(accounts) for wire, accounts in measured.accounts.items() if accounts}
    if shown:
        overview = ""
        if len(shown) > 1:
            figure = side_by_side({wire: account for wire, (_, account) in shown.items()})
            overview, result.pictures["wires"] = svg(figure), png(figure)
        result.sections += [_kinds(measured.accounts, shown, overview), _split(measured.accounts)]
    for wire, (record, account) in shown.items():
        accounts = measured.accounts[wire]
        figure = waterfall(account, record.start_ns, _title(wire, record, account))
        result.pictures[wire] = png(figure)
        result.sections.append(_parts(wire, accounts, record, account, svg(figure)))
        if wire in measured.statistics_ms:
            result.sections.append(_statistics(wire, measured.statistics_ms[wire]))


def named_ms(account: Account) -> dict[Name, float]:
    """Milliseconds of the whole by part; several of one name in a study are added."""
    found: dict[Name, float] = defaultdict(float)
    for part, share in zip(account.parts, account.shares_ns, strict=True):
        found[name_of(part)] += share / 1e6
    return dict(found)


def name_of(part: Part) -> Name:
    """What a part is called in every study."""
    return part.door, part.label, part.kind


def split_ms(account: Account) -> dict[str, float]:
    """The categories of NVIDIA's perf_analyzer, over all requests of the study, and what lies outside them.

    perf_analyzer's own client times are those of ``tritonclient``'s serialising and parsing; its network is what is
    left of a request. Models that run abreast share their time here, where perf_analyzer would count each in full.
    """
    found = dict.fromkeys((*PERF_ANALYZER, str(Kind.WHOLE_EXCHANGE), OUTSIDE), 0.0)
    place = {
        Kind.WIRE: "network",
        Kind.FRONTEND: "network",
        Kind.WHOLE_EXCHANGE: str(Kind.WHOLE_EXCHANGE),
        Kind.QUEUE: "queue",
        Kind.INPUT: "compute input",
        Kind.COMPUTE: "compute infer",
        Kind.OUTPUT: "compute output",
    }
    for part, share in zip(account.parts, account.shares_ns, strict=True):
        inside = "client send/receive" if part.label in (SERIALISE, ANSWER) else place.get(part.kind, OUTSIDE)
        found[inside] += share / 1e6
    found[OUTSIDE] += account.remainder_ns / 1e6
    return found


def _figures(accounts: Accounts) -> dict[str, Any]:
    record, shown = median_study(accounts)
    named = [named_ms(account) for _, account in accounts]
    splits = [split_ms(account) for _, account in accounts]
    return {
        "studies": len(accounts),
        "patches": len(record.findings.patches),
        "bytes_sent": record.findings.bytes_sent,
        "whole_ms": _spread([account.whole_ns / 1e6 for _, account in accounts]),
        "remainder_ms": _spread([account.remainder_ns / 1e6 for _, account in accounts]),
        "kinds_ms": {
            str(kind): _spread([account.by_kind_ns().get(kind, 0.0) / 1e6 for _, account in accounts])
            for kind in shown.by_kind_ns()
        },
        "split_ms": {name: _spread([split[name] for split in splits]) for name in splits[0]},
        "median_study": {
            "whole_ms": round(shown.whole_ns / 1e6, 3),
            "remainder_ms": round(shown.remainder_ns / 1e6, 3),
            "parts": [
                {
                    "part": part.label,
                    "kind": str(part.kind),
                    "door": part.door,
                    "start_ms": round((part.start_ns - record.start_ns) / 1e6, 3),
                    "end_ms": round((part.end_ns - record.start_ns) / 1e6, 3),
                    "of_whole_ms": round(share / 1e6, 3),
                    "of_whole_all_studies_ms": _spread([one.get(name_of(part), 0.0) for one in named]),
                }
                for part, share in zip(shown.parts, shown.shares_ns, strict=True)
            ],
        },
    }


def _spread(values: list[float]) -> dict[str, float]:
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [values[0]] * 3
    found = {"min": min(values), "p25": low, "median": middle, "p75": high, "max": max(values)}
    return {name: round(value, 3) for name, value in found.items()}


def _offset_ms(offset: Offset | None) -> dict[str, float] | None:
    if offset is None:
        return None
    found = {"low": offset.low_ns, "high": offset.high_ns, "used": offset.ns, "uncertainty": offset.uncertainty_ns}
    return {name: ns / 1e6 for name, ns in found.items()}


def _method(offset: Offset | None) -> str:
    if offset is None:
        clocks = (
            "The server's trace was not to be had, so a request, its way there and back included, is one bar; "
            "Triton's statistics say how long each model waited and ran, but not when."
        )
    else:
        relation = (
            "so they are one clock" if offset.ns == 0 else f"so {offset.ns / 1e6:,.2f} ms were added to its times"
        )
        clocks = (
            "The client's events and Triton's trace are joined by request id. No request arrives before it is sent: "
            f"every exchange brackets the clocks' offset, and all together put client less server between "
            f"{offset.low_ns / 1e6:,.3f} and {offset.high_ns / 1e6:,.3f} ms, {relation}; a border between client and "
            f"server is uncertain by {offset.uncertainty_ns / 1e6:.2f} ms at most."
        )
    return (
        f"{clocks} Each instant is given to what is at work in it, in equal shares where several models run abreast; "
        "waiting in a queue counts while nothing works. The parts and the remainder, which is code between the parts, "
        f"add up to the whole; a run with a remainder over {REMAINDER_SHARE:.0%} does not hold."
    )


def _title(wire: str, record: ClientRecord, account: Account) -> str:
    return (
        f"One study by {wire}: {account.whole_ns / 1e6:.0f} ms from DICOM files to report, "
        f"{len(record.findings.patches)} patches, {record.findings.bytes_sent / 1e6:.1f} MB sent"
    )


def _kinds(accounts: Mapping[str, Accounts], shown: Mapping[str, tuple[ClientRecord, Account]], plot: str) -> Section:
    found = [kind for kind in Kind if any(kind in account.by_kind_ns() for _, account in shown.values())]
    rows: list[list[str | float | None]] = []
    for kind in found:
        cells = [account.by_kind_ns().get(kind) for _, account in shown.values()]
        rows.append([str(kind), *(None if ns is None else ns / 1e6 for ns in cells)])
    rows += [
        ["remainder", *(account.remainder_ns / 1e6 for _, account in shown.values())],
        ["whole", *(account.whole_ns / 1e6 for _, account in shown.values())],
        ["whole, over all studies", *(_ranged([one.whole_ns / 1e6 for _, one in accounts[wire]]) for wire in shown)],
    ]
    text = "Milliseconds of the median study of each wire; below them the median and the range of all studies."
    return Section("Where the time goes", text, plot, ("", *shown), rows)


def _split(accounts: Mapping[str, Accounts]) -> Section:
    splits = {wire: [split_ms(account) for _, account in all_of] for wire, all_of in accounts.items() if all_of}
    rows: list[list[str | float | None]] = [
        [name, *(_ranged([split[name] for split in of_wire]) for of_wire in splits.values())]
        for name in (*PERF_ANALYZER, str(Kind.WHOLE_EXCHANGE), OUTSIDE)
        if any(split[name] for of_wire in splits.values() for split in of_wire)
    ]
    text = (
        "Milliseconds over all requests of a study, median and range of all studies, in the categories of "
        "perf_analyzer; the last line is what a load generator does not see: reading, preparation, findings, report."
    )
    return Section("As perf_analyzer splits it", text, header=("", *splits), rows=rows)


def _parts(wire: str, accounts: Accounts, record: ClientRecord, account: Account, plot: str) -> Section:
    named = [named_ms(one) for _, one in accounts]
    rows: list[list[str | float | None]] = [
        [
            part.label,
            str(part.kind),
            part.door or "",
            f"{(part.start_ns - record.start_ns) / 1e6:.1f}",
            f"{(part.end_ns - record.start_ns) / 1e6:.1f}",
            f"{share / 1e6:.2f}",
            _ranged([one.get(name_of(part), 0.0) for one in named]),
        ]
        for part, share in zip(account.parts, account.shares_ns, strict=True)
    ]
    rows.append(
        [
            "remainder", "", "", "", "", f"{account.remainder_ns / 1e6:.2f}",
            _ranged([one.remainder_ns / 1e6 for _, one in accounts]),
        ]
    )  # fmt: skip
    whole = account.whole_ns / 1e6
    rows.append(
        ["whole", "", "", "0.0", f"{whole:.1f}", f"{whole:.2f}", _ranged([a.whole_ns / 1e6 for _, a in accounts])]
    )
    header = ("part", "kind", "request", "from ms", "to ms", "ms of whole", "all studies: median (range)")
    text = f"The median of {len(accounts)} studies. {account.remainder_ns / account.whole_ns:.1%} of it is remainder."
    return Section(f"By {wire}", text, plot, header, rows)


def _statistics(wire: str, models: Mapping[str, Mapping[str, float]]) -> Section:
    kinds = (Kind.QUEUE, Kind.INPUT, Kind.COMPUTE, Kind.OUTPUT)
    rows: list[list[str | float | None]] = [
        [model, *(times.get(str(kind), 0.0) for kind in kinds)] for model, times in models.items()
    ]
    text = "Mean milliseconds of a study from Triton's statistics. Models abreast each count in full: no sum is meant."
    return Section(f"By {wire}: the server's statistics", text, header=("model", *map(str, kinds)), rows=rows)


def _ranged(values: list[float]) -> str:
    low, middle, high = (_short(value) for value in (min(values), statistics.median(values), max(values)))
    return f"{middle} ({low}–{high})"


def _short(ms: float) -> str:
    return f"{ms:,.0f}" if ms >= 100 else f"{ms:.1f}"
