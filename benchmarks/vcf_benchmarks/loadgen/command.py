# SPDX-License-Identifier: Apache-2.0
"""The run of ``vcf bench loadgen``: MLPerf's LoadGen drives the client through its scenarios.

Its load and its bookkeeping, not its benchmark: other model, other data, shorter tests. No figure of it is an MLPerf
result.
"""

import argparse

from vcf_benchmarks.harness import options
from vcf_benchmarks.harness.result import LOCAL, Result
from vcf_benchmarks.harness.served import broken, right_answers, served
from vcf_benchmarks.harness.studies import library
from vcf_benchmarks.loadgen.figures import add_figures
from vcf_benchmarks.loadgen.measure import Plan, answering, measure
from vcf_benchmarks.loadgen.system import System


def run(args: argparse.Namespace) -> Result:
    """Run the tests and read LoadGen's logs."""
    options.positive(args, "min_duration", "queries", "samples", "bound_ms", "bound_factor", "steps", "in_flight")
    options.positive(args, "offline_in_flight", "slices", "studies")
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
    result = Result("loadgen", {**options.settings(args), **plan.settings()})
    path = args.json or LOCAL / "loadgen.json"
    logs = path.with_name(f"{path.stem}-logs")
    studies = library(args.slices, args.studies)
    with served(args.server) as server:
        right = right_answers(server.address, args.transport, studies)
        connect = answering(server.address, args.transport, studies, right)
        with System(len(studies), connect) as system, server.watch() as watch:
            measured = measure(system, right, plan, logs)
    add_figures(result, measured, logs.name)
    result.broken = [*broken(watch, measured.failures), *measured.broken]
    return result
