# SPDX-License-Identifier: Apache-2.0
"""Options of ``vcf bench overhead``."""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add them."""
    parser.add_argument("--slices", type=int, default=300, help="of 512 × 512 pixels, default %(default)s")
    parser.add_argument("--runs", type=int, default=40, help="counted studies each way, default %(default)s")
    parser.add_argument(
        "--seconds", type=float, default=15.0, help="of saturated loops each way in a window, default %(default)s"
    )
