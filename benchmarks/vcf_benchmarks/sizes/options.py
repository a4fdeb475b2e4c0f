# SPDX-License-Identifier: Apache-2.0
"""Options of ``vcf bench sizes``."""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add them."""
    parser.add_argument("--runs", type=int, default=15, help="studies of each size that count, default %(default)s")
