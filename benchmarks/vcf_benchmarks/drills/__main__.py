# SPDX-License-Identifier: Apache-2.0
"""``make drills``: run the drills and write their page anew; exit code 1 if one misses its goal."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence

from vcf_benchmarks.drills import bombs, damaged, fuzz, gateway, kills, page, soak, stop
from vcf_benchmarks.drills.figures import Line
from vcf_benchmarks.harness.machine import commit, machine
from vcf_server.assets import MODEL_REPOSITORY

DRILLS: dict[str, tuple[Callable[[], list[Line]], Callable[[], list[Line]]]] = {
    "fuzz": (lambda: fuzz.run(MODEL_REPOSITORY, 500), lambda: fuzz.run(MODEL_REPOSITORY, 10_000)),
    "damaged": (lambda: damaged.run(500), lambda: damaged.run(10_000)),
    "bombs": (bombs.run, bombs.run),
    "gateway": (gateway.run, gateway.run),
    "stop": (stop.run, stop.run),
    "kills": (lambda: kills.run(loaded=False), kills.run),
    "soak": (lambda: soak.run(120), lambda: soak.run(3600)),
}
"""Each in its short form and in the one whose figures the page keeps."""


def main(words: Sequence[str]) -> int:
    """Entry of the module."""
    parser = argparse.ArgumentParser(prog="python -m vcf_benchmarks.drills", description=__doc__)
    parser.add_argument("drills", nargs="*", metavar="DRILL", help=f"some of {', '.join(DRILLS)}; all by default")
    parser.add_argument(
        "--full", action="store_true", help="10,000 requests and files, an hour of soak: two to three hours in all"
    )
    parser.add_argument("--keep", action="store_true", help="keep the figures and write docs/drills.md from them")
    parser.add_argument(
        "--forgive-times", action="store_true", help="a goal in seconds that is missed is told and fails nothing"
    )
    args = parser.parse_args(words)
    if unknown := [name for name in args.drills if name not in DRILLS]:
        parser.error(f"no drill {unknown[0]}; there are {', '.join(DRILLS)}")
    missed = 0
    for name in args.drills or DRILLS:
        print(f"{name} …", flush=True)
        lines = DRILLS[name][args.full]()
        missed += sum(not line.met and not (args.forgive_times and line.unit == "s") for line in lines)
        for line in lines:
            print(f"  {'' if line.met else 'MISSED '}{line.what}: {line.value:g} {line.unit}", flush=True)
        if args.keep:
            page.keep(name, lines, {"machine": machine(), "commit": commit(), "full": args.full})
    return 1 if missed else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except json.JSONDecodeError as error:
        sys.exit(f"the kept figures cannot be read: {error}")
