# SPDX-License-Identifier: Apache-2.0
"""Options of ``vcf bench loadgen``."""

import argparse

from vcf_benchmarks.harness import options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add them."""
    options.add_load(parser)
    parser.add_argument(
        "--min-duration",
        type=float,
        default=20,
        metavar="S",
        help="seconds a test at least; MLPerf's rules ask for 600",
    )
    parser.add_argument(
        "--queries",
        type=int,
        default=64,
        help="queries a test at least; 64 is the least for a p90, default %(default)s",
    )
    parser.add_argument("--samples", type=int, default=64, help="studies of the Offline test, default %(default)s")
    parser.add_argument("--bound-ms", type=float, metavar="MS", help="for the p99 of the Server scenario")
    parser.add_argument(
        "--bound-factor", type=float, default=3, help="without it: times the p90 of SingleStream, default %(default)s"
    )
    parser.add_argument("--steps", type=int, default=5, help="rates that the search tries, default %(default)s")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="leave out the long test that confirms Server's rate; the run does not hold",
    )
    parser.add_argument("--in-flight", type=int, default=64, help="most calls at a time, default %(default)s")
    parser.add_argument("--offline-in-flight", type=int, default=4, help="that of Offline, default %(default)s")
