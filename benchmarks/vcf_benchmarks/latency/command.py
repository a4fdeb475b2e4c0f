# SPDX-License-Identifier: Apache-2.0
"""The run of ``vcf bench latency``: latency at given rates of arrival, to where the server no longer keeps up."""

import argparse
import asyncio

from vcf_benchmarks.harness import options, priority
from vcf_benchmarks.harness.result import Result
from vcf_benchmarks.harness.served import right_answers, served
from vcf_benchmarks.harness.studies import library
from vcf_benchmarks.latency.figures import add_figures
from vcf_benchmarks.latency.measure import Plan, measure
from vcf_benchmarks.latency.options import SHARES
from vcf_contract.errors import UsageError


def run(args: argparse.Namespace) -> Result:
    """Measure the highest rate, then latency at each rate."""
    options.positive(args, "window", "least", "estimate", "in_flight", "slices", "studies")
    if args.rates and min(args.rates) <= 0:
        raise UsageError(f"--rates holds {min(args.rates)}, rates must be greater than 0")
    plan = Plan(args.window, args.least, args.warm_up, args.estimate, args.in_flight, args.seed)
    result = Result("latency", {**options.settings(args), **plan.settings()})
    studies = library(args.slices, args.studies)
    with served(args.server) as server:
        right = right_answers(server.address, args.transport, studies)
        measured = asyncio.run(measure(server, args.transport, studies, right, plan, args.rates or None, SHARES))
    add_figures(result, measured, plan)
    result.figures["generator_goes_first"] = priority.allowed()
    return result
