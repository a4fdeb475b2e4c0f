# SPDX-License-Identifier: Apache-2.0
"""Options of ``vcf bench latency``."""

import argparse

from vcf_benchmarks.harness import options

SHARES = (0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Shares of the highest rate of a closed loop: the rates, unless they are given."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add them."""
    options.add_load(parser)
    shares = ", ".join(f"{share:g}" for share in SHARES)
    parser.add_argument(
        "--rates", type=float, nargs="+", metavar="R", help=f"studies a second; by default {shares} of the highest rate"
    )
    parser.add_argument("--window", type=float, default=20, help="seconds of each of the three windows of a rate")
    parser.add_argument(
        "--least", type=int, default=20, metavar="N", help="arrivals to be expected in a window, or else it is longer"
    )
    parser.add_argument("--warm-up", type=float, default=5, help="seconds of arrivals before them, not counted")
    parser.add_argument("--estimate", type=float, default=8, help="seconds of each closed loop for the highest rate")
    parser.add_argument(
        "--in-flight",
        type=int,
        default=64,
        help="most unanswered calls; more wait in the generator, default %(default)s",
    )
