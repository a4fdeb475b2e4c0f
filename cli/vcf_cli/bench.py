# SPDX-License-Identifier: Apache-2.0
"""``vcf bench``: measurements of the served system."""

import argparse
import json
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vcf_benchmarks.kinds import KINDS, LOOKS, Kind, Look
from vcf_cli import exit_codes

if TYPE_CHECKING:
    from vcf_benchmarks.harness.result import Result


def add_parser(subparsers: Any) -> None:
    """Register the subcommand and its own."""
    parser = subparsers.add_parser("bench", help="measure the served system", description=__doc__)
    kinds = parser.add_subparsers(metavar="WHAT", required=True)
    for kind in KINDS.values():
        its = kinds.add_parser(kind.name, help=kind.help)
        kind.add_arguments(its)
        its.add_argument(
            "--json",
            type=Path,
            metavar="FILE",
            help="result, and a page beside it (default: benchmarks/results/local, without a checkout out/bench)",
        )
        its.set_defaults(run=partial(run_kind, kind))
    for look in LOOKS.values():
        its = kinds.add_parser(look.name, help=look.help)
        look.add_arguments(its)
        its.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")
        its.set_defaults(run=partial(run_look, look))
    page = kinds.add_parser("page", help="draw the page and the pictures of a result from its JSON")
    page.add_argument("file", type=Path, metavar="FILE", help="what a benchmark wrote with --json")
    page.add_argument("--out", type=Path, metavar="DIR", help="folder to write into (default: beside the file)")
    page.set_defaults(run=run_page)


def run_kind(kind: Kind, args: argparse.Namespace) -> int:
    """Run a benchmark, write JSON and page, print the targets and the rules that were broken."""
    result: Result = kind.command().run(args)
    path = result.write(args.json)
    for target in result.targets:
        sign, verdict = "≤" if target.at_most else "≥", "met" if target.met else "missed"
        print(f"{target.name:<58}{target.value:>10.3g}  {sign} {target.goal:<9.3g} {verdict}")
    for rule in result.broken_rules:
        print(f"this run does not hold: {rule}")
    _draw(path, None)
    return 0 if result.valid else exit_codes.INVALID


def run_look(look: Look, args: argparse.Namespace) -> int:
    """Run a short look, print its table, write its figures where they are wanted."""
    module = look.command()
    figures = module.run(args)
    for line in module.table(figures):
        print(line)
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
    return 0


def run_page(args: argparse.Namespace) -> int:
    """Draw a result that lies there already."""
    _draw(args.file, args.out)
    return 0


def _draw(file: Path, out: Path | None) -> None:
    paths = import_module("vcf_benchmarks.pages").draw(file, out)
    print(f"{file}: {', '.join(map(str, paths))}")
