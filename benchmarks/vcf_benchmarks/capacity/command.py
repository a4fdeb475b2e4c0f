# SPDX-License-Identifier: Apache-2.0
"""The run of ``vcf bench capacity``: studies an hour and a latency in, servers and their cost out."""

import argparse

from vcf_benchmarks.capacity import plan
from vcf_benchmarks.capacity.figures import Asked, add_figures
from vcf_benchmarks.harness import options
from vcf_benchmarks.harness.result import LOCAL, REFERENCE, Result
from vcf_contract.errors import SetupError, UsageError


def run(args: argparse.Namespace) -> Result:
    """Read the curve and plan."""
    options.positive(args, "studies_per_hour", "studies_per_day", "p99_ms", "cost_per_hour")
    if args.spare < 0:
        raise UsageError(f"--spare is {args.spare}, it must be 0 or more")
    weights = args.day or plan.DAY
    if min(weights) < 0 or not max(weights) > 0:
        raise UsageError("--day holds a weight below 0, or none above it")
    last = LOCAL / "latency.json"
    path = args.curve or (last if last.exists() else REFERENCE / "latency.json")
    curve, broken = plan.read_curve(path)
    plan.refuse_if_unreachable(curve, args.p99_ms)
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
    add_figures(result, curve, per_server_s, asked, args.cost_per_hour)
    needed = plan.need(busiest, per_server_s, args.spare)
    print(
        f"{busiest:.0f} studies in the busiest hour, p99 within {args.p99_ms:.0f} ms: {needed.replicas} servers "
        f"({needed.working} and {needed.spare} spare), at most {per_server_s * 3600:.0f} studies an hour each"
    )
    for line in result.figures["summary"]:
        print(line)
    return result
