# SPDX-License-Identifier: Apache-2.0
"""The run of ``vcf bench peers``: Triton beside other servers of the same networks, and a plain loop."""

import argparse
import asyncio
import signal
import sys

from vcf_benchmarks.harness import machine, options, priority
from vcf_benchmarks.harness.processes import adopt_orphans
from vcf_benchmarks.harness.result import Result
from vcf_benchmarks.harness.studies import library
from vcf_benchmarks.peers import side_by_side
from vcf_benchmarks.peers.figures import add_figures
from vcf_benchmarks.peers.measure import Plan, measure
from vcf_benchmarks.peers.systems import IN_PROCESS, TRITON, reference, systems

NOT_INSTALLED = "not installed: {package} (extra `peers`)"


def run(args: argparse.Namespace) -> Result:
    """Measure and compare."""
    options.positive(args, "rounds", "seconds", "warm_up", "load", "arrivals", "threads", "slices", "studies")
    # Servers that were started must be stopped, however this process ends.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    adopt_orphans()
    cores = machine.cores()
    plan = Plan(args.rounds, args.seconds, args.warm_up, args.callers or 2 * cores, args.load, args.arrivals, args.seed)
    everyone = systems(args.peers, args.workers, args.threads)
    skipped = {
        system.name: NOT_INSTALLED.format(package=system.missing) for system in everyone if system.missing is not None
    }
    result = Result(
        "peers",
        {
            "peers": args.peers,
            "slices": args.slices,
            "studies": args.studies,
            "peer_workers": args.workers or cores,
            "peer_threads": args.threads,
            **plan.settings(),
        },
    )
    studies = library(args.slices, args.studies)
    here = {system.name: system for system in everyone if system.missing is None}
    right = reference(studies)
    loop = here.pop(IN_PROCESS)
    lines = asyncio.run(measure(list(here.values()), studies, right, plan))
    beside = asyncio.run(side_by_side.measure(here[TRITON], loop, studies, right, plan))
    lines |= {line.system.name: line for line in beside}
    add_figures(result, lines, skipped, plan)
    result.figures["generator_goes_first"] = priority.allowed()
    return result
