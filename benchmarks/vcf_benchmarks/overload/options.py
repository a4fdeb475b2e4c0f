# SPDX-License-Identifier: Apache-2.0
"""Options of ``vcf bench overload``."""

import argparse

from vcf_benchmarks.harness import options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add them."""
    options.add_transport(parser)
    options.add_studies(parser)
    parser.add_argument("--seconds", type=float, default=60, help="of each load, default %(default)g")
    parser.add_argument("--alone", type=int, default=30, help="studies one at a time, default %(default)s")
    parser.add_argument("--times", type=float, default=4, help="overload over the highest rate, default %(default)g")
    parser.add_argument("--in-flight", type=int, default=256, help="most calls at a time, default %(default)s")
