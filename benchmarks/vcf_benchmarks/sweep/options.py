# SPDX-License-Identifier: Apache-2.0
"""Options of ``vcf bench sweep``."""

import argparse
from pathlib import Path

from vcf_benchmarks.harness import options

DEFAULT_NAME = "tuned"
SLACK = 1.2
"""How much longer than with the committed form a study may take at low load, unless a bound is given."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add them."""
    parser.add_argument("--minutes", type=float, default=15, help="time for all of it, default %(default)s")
    parser.add_argument("--name", default=DEFAULT_NAME, help="of the form to write, default %(default)s")
    parser.add_argument("--form", default="cpu", help="committed form to start from, default %(default)s")
    parser.add_argument("--forms", nargs="+", metavar="FORM", help="forms to try; by default all without a GPU")
    parser.add_argument(
        "--p99-ms",
        type=float,
        metavar="MS",
        help=f"bound at low load; by default {SLACK:g} times the committed form's own",
    )
    parser.add_argument(
        "--parity",
        type=Path,
        metavar="FILE",
        help="of `vcf export check --json FILE`: the parity checks, of which the passports hold a part",
    )
    parser.add_argument("--accept-flips", action="store_true", help="take a reduced precision that flips decisions")
    parser.add_argument("--repository", type=Path, metavar="DIR", help="model repository (default: the checkout's own)")
    parser.add_argument("--low", type=float, default=0.3, help="low load over the saturation of the form to start from")
    parser.add_argument("--seconds", type=float, default=8, help="of each load while searching, default %(default)s")
    parser.add_argument("--finalists", type=int, default=3, help="confirmed beside the committed form")
    parser.add_argument("--callers", type=int, metavar="N", help="studies at once at saturation; default two a core")
    parser.add_argument("--no-write", action="store_true", help="measure, and write no form")
    options.add_transport(parser)
    options.add_studies(parser, studies=3)
