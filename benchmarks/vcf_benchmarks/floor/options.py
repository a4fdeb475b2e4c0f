# SPDX-License-Identifier: Apache-2.0
"""Options of ``vcf bench floor``."""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add them."""
    parser.add_argument("--runs", type=int, default=30, help="rounds that count, default %(default)s")
