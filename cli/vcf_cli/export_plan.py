# SPDX-License-Identifier: Apache-2.0
"""The work of ``vcf export plan``: the standard library is enough to print the commands and to record their plans."""

import argparse
from pathlib import Path

from vcf_export.tensorrt import build_plans, record_plans, trtexec_commands


def run(args: argparse.Namespace) -> int:
    """Build every plan, print how, or record those that were built so."""
    repository: Path = args.repository
    wanted = {"precision": args.precision, "hardware_compatibility": args.hardware_compatibility}
    if args.trtexec:
        print("\n".join(trtexec_commands(repository, timing_cache=args.timing_cache, **wanted)))
        return 0
    if args.record:
        plans = iter(record_plans(repository, **wanted))
    else:
        plans = build_plans(repository, timing_cache=args.timing_cache, **wanted)
    for path in plans:
        written(path)
    return 0


def written(path: Path) -> None:
    """Print which network's file was written, and its size."""
    print(f"{path.parents[1].name}: {path.name}, {path.stat().st_size} bytes")
