# SPDX-License-Identifier: Apache-2.0
"""A waterfall run as figures."""

import statistics
from collections import defaultdict
from typing import Any

from vcf_benchmarks.harness.result import Result
from vcf_benchmarks.waterfall.client import ANSWER, SERIALISE
from vcf_benchmarks.waterfall.kinds import OUTSIDE, PERF_ANALYZER, Kind
from vcf_benchmarks.waterfall.measure import Accounts, Measured, median_study
from vcf_benchmarks.waterfall.timeline import Account, Offset, Part

Name = tuple[str | None, str, Kind]
"""Request, label and kind: the same part in every study."""


def add_figures(result: Result, measured: Measured) -> None:
    """Write a run into its result."""
    result.broken += measured.broken
    result.figures |= {
        "windows_until_settled": measured.windows,
        "server_times_from": "trace" if measured.offset else "statistics",
        "clock_offset_ms": _offset_ms(measured.offset),
        "transports": {name: _figures(accounts) for name, accounts in measured.accounts.items() if accounts},
    }
    if measured.statistics_ms:
        result.figures["statistics_ms"] = measured.statistics_ms
    result.histograms |= {
        f"{name}_ms": [round(account.whole_ns / 1e6, 3) for _, account in accounts]
        for name, accounts in measured.accounts.items()
    }


def named_ms(account: Account) -> dict[Name, float]:
    """Return milliseconds of the whole by part; several of one name in a study are added."""
    found: dict[Name, float] = defaultdict(float)
    for part, share in zip(account.parts, account.shares_ns, strict=True):
        found[name_of(part)] += share / 1e6
    return dict(found)


def name_of(part: Part) -> Name:
    """Return what a part is called in every study."""
    return part.request, part.label, part.kind


def split_ms(account: Account) -> dict[str, float]:
    """Return the categories of NVIDIA's perf_analyzer, over all requests of the study, and what lies outside them.

    perf_analyzer's own client times are those of ``tritonclient``'s serialising and parsing; its network is what is
    left of a request. Models that run in parallel share their time here, where perf_analyzer would count each in full.
    """
    found = dict.fromkeys((*PERF_ANALYZER, str(Kind.WHOLE_EXCHANGE), OUTSIDE), 0.0)
    place = {
        Kind.NETWORK: "network",
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
                    "request": part.request,
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
