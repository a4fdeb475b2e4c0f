# SPDX-License-Identifier: Apache-2.0
"""``vcf bench capacity``: studies an hour and a latency in, servers and their cost out, from a measured curve."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.result import Result


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
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


def run(args: argparse.Namespace) -> "Result":
    """Read the curve, plan, draw."""
    from benchmarks import capacity_plan
    from benchmarks.capacity_page import Asked, fill
    from benchmarks.result import LOCAL, REFERENCE, Result
    from vcf.errors import SetupError, UsageError

    for name in ("studies_per_hour", "studies_per_day", "p99_ms", "cost_per_hour"):
        if (value := getattr(args, name)) is not None and not value > 0:
            raise UsageError(f"--{name.replace('_', '-')} is {value}, it must be greater than 0")
    if args.spare < 0:
        raise UsageError(f"--spare is {args.spare}, it must be 0 or more")
    weights = args.day or capacity_plan.DAY
    if min(weights) < 0 or not max(weights) > 0:
        raise UsageError("--day holds a weight below 0, or none above it")
    last = LOCAL / "latency.json"
    path = args.curve or (last if last.exists() else REFERENCE / "latency.json")
    curve, broken = capacity_plan.read_curve(path)
    capacity_plan.refuse_if_unreachable(curve, args.p99_ms)
    per_server_s = curve.within(args.p99_ms, cautious=args.cautious)
    if not per_server_s:
        raise SetupError(
            f"the upper end of the interval of p99 is above {args.p99_ms:.0f} ms at every rate of the curve: measure "
            "longer (`vcf bench latency --window …`), or plan without --cautious"
        )
    busiest = args.studies_per_hour or args.studies_per_day * max(weights) / sum(weights)
    asked = Asked(busiest, [busiest * weight / max(weights) for weight in weights], args.p99_ms, args.spare)
    result = Result(
        "capacity",
        {
            "studies_per_hour": args.studies_per_hour,
            "studies_per_day": args.studies_per_day,
            "p99_ms": args.p99_ms,
            "spare": args.spare,
            "cost_per_hour": args.cost_per_hour,
            "cautious": args.cautious,
            "curve": path.name,
            "day": list(weights),
        },
        broken=broken,
    )
    fill(result, curve, per_server_s, asked, args.cost_per_hour)
    needed = capacity_plan.need(busiest, per_server_s, args.spare)
    print(
        f"{busiest:.0f} studies in the busiest hour, p99 within {args.p99_ms:.0f} ms: {needed.replicas} servers "
        f"({needed.working} and {needed.spare} spare), at most {per_server_s * 3600:.0f} studies an hour each"
    )
    for line in result.figures["summary"]:
        print(line)
    return result
