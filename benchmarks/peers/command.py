# SPDX-License-Identifier: Apache-2.0
"""``vcf bench peers``: Triton beside other servers of the same networks, and a plain loop."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.result import Result

NAMES = ("fastapi", "bentoml", "litserve", "ray_serve")
NOT_INSTALLED = "not installed: {package} (extra `peers`)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of ``vcf bench peers``."""
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
    parser.add_argument(
        "--slices", type=int, default=133, help="of 512 × 512 pixels, from LIDC-IDRI-0001, default %(default)s"
    )
    parser.add_argument("--studies", type=int, default=4, help="different studies, default %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="of arrivals and studies, default %(default)s")


def run(args: argparse.Namespace) -> "Result":
    """Measure, compare and draw."""
    import asyncio
    import os
    import signal
    import sys

    from benchmarks import served
    from benchmarks.open_loop import may_go_first
    from benchmarks.peers import side_by_side
    from benchmarks.peers.measure import Plan, measure
    from benchmarks.peers.page import fill
    from benchmarks.peers.systems import IN_PROCESS, TRITON, reference, systems
    from benchmarks.processes import adopt_orphans
    from benchmarks.reference import library
    from benchmarks.result import Result

    served.check(args, "rounds", "seconds", "warm_up", "load", "arrivals", "threads")
    # Servers that were started must be stopped, however this process ends.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    adopt_orphans()
    cores = len(os.sched_getaffinity(0))
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
    fill(result, lines, skipped, plan)
    result.figures["generator_goes_first"] = may_go_first()
    return result
