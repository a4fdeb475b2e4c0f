# SPDX-License-Identifier: Apache-2.0
"""``vcf evaluate``: the pipeline in one process on held-out data, figures to the terminal and to a file."""

import argparse
import json
import os
from pathlib import Path
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "evaluate",
        help="figures of the shipped or other weights on held-out data",
        description="Run the whole pipeline in one process. Phantoms are synthetic, and so is every figure from them.",
    )
    parser.add_argument(
        "--data",
        choices=("phantom-test", "phantom-unseen"),
        default="phantom-test",
        help="phantoms of ranges that training never saw, or other patients of the ranges it saw; default %(default)s",
    )
    parser.add_argument("--n", type=int, default=200, metavar="N", help="number of studies (default %(default)s)")
    parser.add_argument("--weights", type=Path, metavar="DIR", help="folder of `vcf train` (default: those that ship)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures and every result")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Evaluate, print, write."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from training.evaluate import evaluate
    from training.store import SHIPPED, load_networks, read_manifest
    from vcf.cli.train import bars
    from vcf.errors import SetupError

    folder = args.weights or SHIPPED
    point = read_manifest(folder).get("operating_point")
    if point is None:
        raise SetupError(f"the manifest in {folder} has no operating point: run `vcf train members --out {folder}`")
    with bars() as progress:
        figures = evaluate(
            args.n,
            load_networks(folder),
            point["threshold"],
            lambda done, total: progress("studies", done, total),
            args.data,
        )
    for name, value in figures.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            print(f"{name:24s} {value:.4g}")
    print("all figures are synthetic: phantoms, not patients")
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0
