# SPDX-License-Identifier: Apache-2.0
"""``vcf bench latency``: latency at given rates of arrival, to where the server no longer keeps up."""

import argparse
from typing import TYPE_CHECKING

from benchmarks import served

if TYPE_CHECKING:
    from benchmarks.result import Result

SHARES = (0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Of the highest rate of a closed loop: the rates, unless they are given."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    served.add_arguments(parser)
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


def run(args: argparse.Namespace) -> "Result":
    """Measure and draw."""
    import asyncio

    from benchmarks.latency_measure import Plan, measure
    from benchmarks.latency_page import fill
    from benchmarks.open_loop import may_go_first
    from benchmarks.reference import library
    from benchmarks.result import Result
    from vcf.errors import UsageError

    served.check(args, "window", "least", "estimate", "in_flight")
    if args.rates and min(args.rates) <= 0:
        raise UsageError(f"--rates holds {min(args.rates)}, rates must be greater than 0")
    plan = Plan(args.window, args.least, args.warm_up, args.estimate, args.in_flight, args.seed)
    result = Result("latency", {**served.settings(args), **plan.settings()})
    studies = library(args.slices, args.studies)
    with served.served(args.server) as server:
        right = served.right_answers(server.address, args.wire, studies)
        measured = asyncio.run(measure(server, args.wire, studies, right, plan, args.rates or None, SHARES))
    fill(result, measured, plan)
    result.figures["generator_goes_first"] = may_go_first()
    return result
