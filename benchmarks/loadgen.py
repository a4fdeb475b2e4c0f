# SPDX-License-Identifier: Apache-2.0
"""``vcf bench loadgen``: MLPerf's LoadGen drives the client through its scenarios.

Its load and its bookkeeping, not its benchmark: other model, other data, shorter tests. No figure of it is an MLPerf
result.
"""

import argparse
from typing import TYPE_CHECKING

from benchmarks import served

if TYPE_CHECKING:
    from benchmarks.result import Result


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    served.add_arguments(parser)
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


def run(args: argparse.Namespace) -> "Result":
    """Test, read LoadGen's logs, draw."""
    from benchmarks.loadgen_measure import Plan, answering, measure
    from benchmarks.loadgen_page import fill
    from benchmarks.loadgen_system import System
    from benchmarks.reference import library
    from benchmarks.result import LOCAL, Result

    served.check(args, "min_duration", "queries", "samples", "bound_factor", "steps", "in_flight", "offline_in_flight")
    plan = Plan(
        args.min_duration,
        args.queries,
        args.samples,
        args.bound_ms,
        args.bound_factor,
        args.steps,
        not args.quick,
        args.in_flight,
        args.offline_in_flight,
        args.seed,
    )
    result = Result("loadgen", {**served.settings(args), **plan.settings()})
    path = args.json or LOCAL / "loadgen.json"
    logs = path.with_name(f"{path.stem}-logs")
    studies = library(args.slices, args.studies)
    with served.served(args.server) as server:
        right = served.right_answers(server.address, args.wire, studies)
        connect = answering(server.address, args.wire, studies, right)
        with System(len(studies), connect) as system, server.watch() as watch:
            measured = measure(system, right, plan, logs)
    fill(result, measured, plan, logs.name)
    result.broken = [*served.broken(watch, measured.failures), *measured.broken]
    return result
