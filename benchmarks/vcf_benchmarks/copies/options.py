# SPDX-License-Identifier: Apache-2.0
"""Options of ``vcf bench copies``."""

import argparse

from vcf_benchmarks.harness import options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add them."""
    options.add_series(parser)
    parser.add_argument("--runs", type=int, default=5, help="counted calls by each transport, default %(default)s")
