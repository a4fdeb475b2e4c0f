# SPDX-License-Identifier: Apache-2.0
"""Options of ``vcf bench preprocess``."""

import argparse

GOAL_SLICES, GOAL_PIXELS = 300, 512
"""Size of the volume that the goal is for."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add them."""
    parser.add_argument(
        "--slices", type=int, default=GOAL_SLICES, help="of 512 × 512 pixels, 1 mm apart, default %(default)s"
    )
    parser.add_argument(
        "--pixels", type=int, default=GOAL_PIXELS, help="rows and columns of a slice, default %(default)s"
    )
    parser.add_argument("--runs", type=int, default=5, help="rounds that count, default %(default)s")
