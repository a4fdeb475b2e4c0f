# SPDX-License-Identifier: Apache-2.0
"""Options of ``vcf bench capacity``."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add them."""
    load = parser.add_mutually_exclusive_group(required=True)
    load.add_argument("--studies-per-hour", type=float, metavar="N", help="in the busiest hour")
    load.add_argument("--studies-per-day", type=float, metavar="N", help="spread over the hours by --day")
    parser.add_argument("--p99-ms", type=float, required=True, metavar="MS", help="bound of the latency of a study")
    parser.add_argument(
        "--curve",
        type=Path,
        metavar="FILE",
        help="result of `vcf bench latency`; by default the last one, or the committed one",
    )
    parser.add_argument("--spare", type=int, default=1, help="servers that may be down, default %(default)s")
    parser.add_argument("--cost-per-hour", type=float, metavar="X", help="of one server, in any currency")
    parser.add_argument(
        "--day", type=float, nargs=24, metavar="W", help="weights of the 24 hours; by default those of a hospital"
    )
    parser.add_argument("--cautious", action="store_true", help="by the upper ends of the intervals of p99")
