# SPDX-License-Identifier: Apache-2.0
"""The run of ``vcf bench overload``, on a server of its own: its memory is read."""

import argparse
import asyncio
import os
import sys

from vcf_benchmarks.harness import options
from vcf_benchmarks.harness.result import Result
from vcf_benchmarks.harness.served import right_answers, served
from vcf_benchmarks.harness.studies import library
from vcf_benchmarks.overload.figures import add_figures
from vcf_benchmarks.overload.measure import Plan, measure
from vcf_export.config import CPU, STUDIES
from vcf_runtime.niceness import VARIABLE

IN_THE_IMAGES = "10"
"""The server's models come after the rest here by as much as in containers (``deploy/server.Dockerfile``)."""


def run(args: argparse.Namespace) -> Result:
    """Measure all parts in turn."""
    options.positive(args, "seconds", "alone", "times", "in_flight", "slices", "studies")
    plan = Plan(
        args.seconds,
        args.alone,
        args.times,
        args.in_flight,
        args.slices,
        args.studies,
        args.transport,
        args.seed,
    )
    niceness = os.environ.setdefault(VARIABLE, IN_THE_IMAGES)
    result = Result("overload", plan.settings() | {"niceness": niceness})
    studies = library(args.slices, args.studies)
    with served(None) as server:
        right = right_answers(server.address, args.transport, studies)
        with server.watch() as watch:
            measured = asyncio.run(
                measure(server, studies, right, plan, lambda part: print(part, file=sys.stderr, flush=True))
            )
    result.broken += watch.broken
    add_figures(result, measured, sum(STUDIES[CPU]))
    return result
