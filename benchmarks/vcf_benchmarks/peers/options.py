# SPDX-License-Identifier: Apache-2.0
"""Options of ``vcf bench peers``."""

import argparse

from vcf_benchmarks.harness import options

NAMES = ("fastapi", "bentoml", "litserve", "ray_serve")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add them."""
    parser.add_argument(
        "--peers", nargs="+", choices=NAMES, default=list(NAMES), metavar="NAME", help=f"of {', '.join(NAMES)}"
    )
    parser.add_argument("--rounds", type=int, default=3, help="in each, all take turns; default %(default)s")
    parser.add_argument("--seconds", type=float, default=20.0, help="of a closed loop, default %(default)s")
    parser.add_argument("--warm-up", type=float, default=5.0, help="seconds before it, default %(default)s")
    parser.add_argument("--callers", type=int, help="of a closed loop; by default two for each core")
    parser.add_argument(
        "--load", type=float, default=0.8, help="share of the highest rate for latency, default %(default)s"
    )
    parser.add_argument("--arrivals", type=int, default=120, help="at that rate in a round, default %(default)s")
    parser.add_argument("--workers", type=int, help="worker processes of a peer; by default one for each core")
    parser.add_argument("--threads", type=int, default=1, help="of a network in each worker, default %(default)s")
    options.add_studies(parser)
