# SPDX-License-Identifier: Apache-2.0
"""The run of ``vcf bench copies``: the copy budget of each transport, and the bytes that were really copied."""

import argparse
from collections.abc import Iterable, Mapping

from vcf_benchmarks.copies.budget import REQUESTS, Copy, StudySize, Who, budget, total
from vcf_benchmarks.copies.count import Counts, count, median
from vcf_benchmarks.copies.goals import TOLERANCE_BYTES, TOLERANCE_SHARE
from vcf_benchmarks.harness import options
from vcf_benchmarks.harness.result import Result
from vcf_benchmarks.harness.studies import DEMO, demo_series
from vcf_contract.contract import NETWORKS
from vcf_server.assets import MODEL_REPOSITORY


def run(args: argparse.Namespace) -> Result:
    """Count, and compare with the budget."""
    options.at_least(args, runs=1)
    result = Result("copies", {"study": "given folder" if args.study else DEMO, "runs": args.runs})
    size, calls = count(args.study or demo_series(), list(REQUESTS), args.runs, MODEL_REPOSITORY)
    add_figures(result, size, {transport: median(of) for transport, of in calls.items()})
    result.histograms |= {transport: [vars(call) for call in of] for transport, of in calls.items()}
    return result


def add_figures(result: Result, size: StudySize, counted: Mapping[str, Counts]) -> None:
    """Write budget and counts of each transport into a result."""
    voxels = size.nbytes_of_volume
    figures = {}
    for transport, counts in counted.items():
        copies = budget(transport, size)
        whole = total(copies)
        by_who = {}
        inside = inside_networks(copies, counts)
        for who in Who:
            planned = total(copies, who, counted_only=True)
            seen = counts.of(who) - (inside if who is Who.STUB else 0)
            if abs(seen - planned) > max(TOLERANCE_BYTES, TOLERANCE_SHARE * whole):
                result.broken.append(
                    f"by {transport}, {who} copied {seen / 1e6:.1f} MB, the budget says {planned / 1e6:.1f} MB"
                )
            by_who[str(who)] = {"budget_bytes": total(copies, who), "to_count_bytes": planned, "counted_bytes": seen}
        figures[transport] = {
            "budget_bytes": whole,
            "to_count_bytes": sum(one["to_count_bytes"] for one in by_who.values()),
            "counted_bytes": sum(one["counted_bytes"] for one in by_who.values()),
            "inside_networks_bytes": inside,
            "volumes_copied": round(whole / voxels, 3),
            "by_who": by_who,
            "hops": [{**vars(copy), "who": str(copy.who)} for copy in copies],
        }
    result.figures |= {"size": vars(size), "volume_bytes": voxels, "transports": figures}


def inside_networks(copies: Iterable[Copy], counts: Counts) -> int:
    """Return what the stubs of networks copied beyond the budget: their runtimes' work, by kernels that depend on the
    processor's instruction sets.
    """
    planned = {model.name: 0 for model in NETWORKS}
    for copy in copies:
        if copy.who is Who.STUB and copy.where in planned:
            planned[copy.where] += copy.nbytes
    seen = {name: counts.copied.get(f"{Who.STUB} {name}", 0) for name in planned}
    return sum(max(0, seen[name] - nbytes) for name, nbytes in planned.items())
