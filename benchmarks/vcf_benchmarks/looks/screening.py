# SPDX-License-Identifier: Apache-2.0
"""``vcf bench screening``: what `vcf screen` costs beside the analysis, and how near to saturation it comes."""

import argparse
from collections.abc import Mapping
from typing import Any

from vcf_benchmarks.screening import bookkeeping, saturation
from vcf_benchmarks.screening.goals import MEMORY_GOAL, OVERHEAD_GOAL_MS, RESUMPTION_GOAL_S, THROUGHPUT_GOAL


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measure the bookkeeping, then the throughput."""
    figures: dict[str, Any] = {}
    if args.rows:
        figures["bookkeeping"] = bookkeeping.measure(args.rows, args.workers)
    if args.studies:
        figures["saturation"] = saturation.measure(args.studies, args.workers)
    return figures


def table(figures: Mapping[str, Any]) -> list[str]:
    """Return the figures with their goals."""
    lines: list[str] = []
    if one := figures.get("bookkeeping"):
        lines += [
            f"{one['rows']} rows of an analysis that is nothing",
            f"overhead of a study     {one['overhead_ms']:8.2f} ms  goal ≤ {OVERHEAD_GOAL_MS:g}",
            f"  of it driver's core   {one['driver_core_ms']:8.2f} ms",
            f"driver's memory         {one['memory_late_mib']:8.0f} MiB at the end, {one['memory_early_mib']:.0f} at "
            f"a tenth of the list: {one['memory_growth']:.3f}, goal ≤ {MEMORY_GOAL:g}",
            f"resumption              {one['resumption_s']:8.1f} s   goal ≤ {RESUMPTION_GOAL_S:g}, "
            f"{one['listed_s']:.1f} s of it before Ray starts",
        ]
    if one := figures.get("saturation"):
        lines += [
            f"studies a second of {one['callers']} callers: {_listed(one['callers_per_s'])}",
            f"of the screening: {_listed(one['screening_per_s'])}",
            f"share {one['share']:.3f}, goal ≥ {THROUGHPUT_GOAL:g}",
        ]
    return lines


def _listed(rates: list[float]) -> str:
    return ", ".join(f"{each:.2f}" for each in rates)
