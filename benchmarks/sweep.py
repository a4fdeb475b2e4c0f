# SPDX-License-Identifier: Apache-2.0
"""``vcf bench sweep``: the settings that suit this machine, measured, and written as a form for ``vcf serve``."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import served

if TYPE_CHECKING:
    from benchmarks.result import Result

DEFAULT_NAME = "tuned"
SLACK = 1.2
"""How much longer than with the committed form a study may take at low load, unless a bound is given."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("--minutes", type=float, default=15, help="time for all of it, default %(default)s")
    parser.add_argument("--name", default=DEFAULT_NAME, help="of the form to write, default %(default)s")
    parser.add_argument("--form", default="cpu", help="committed form to start from, default %(default)s")
    parser.add_argument("--forms", nargs="+", metavar="FORM", help="forms to try; by default all without a GPU")
    parser.add_argument(
        "--p99-ms",
        type=float,
        metavar="MS",
        help=f"bound at low load; by default {SLACK:g} times the committed form's own",
    )
    parser.add_argument(
        "--ladder",
        type=Path,
        metavar="FILE",
        help="of `vcf export check --json FILE`: the parity ladder, which the passports tell in part",
    )
    parser.add_argument("--accept-flips", action="store_true", help="take a reduced precision that flips decisions")
    parser.add_argument("--repository", type=Path, metavar="DIR", help="model repository (default: the checkout's own)")
    parser.add_argument("--low", type=float, default=0.3, help="low load over the saturation of the form to start from")
    parser.add_argument("--seconds", type=float, default=8, help="of each load while searching, default %(default)s")
    parser.add_argument("--finalists", type=int, default=3, help="confirmed beside the committed form")
    parser.add_argument("--callers", type=int, metavar="N", help="studies at once at saturation; default two a core")
    parser.add_argument("--no-write", action="store_true", help="measure, and write no form")
    parser.add_argument("--wire", choices=served.WIRES, default="auto", help="default %(default)s")
    parser.add_argument("--slices", type=int, default=133, help="of 512 × 512 pixels, default %(default)s")
    parser.add_argument("--studies", type=int, default=3, help="different studies in turn, default %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="of arrivals and studies, default %(default)s")


def run(args: argparse.Namespace) -> "Result":
    """Search, confirm, choose, write, draw."""
    import os

    from benchmarks.open_loop import may_go_first
    from benchmarks.reference import library
    from benchmarks.result import Result
    from benchmarks.sweep_choice import accuracy, choose, rungs
    from benchmarks.sweep_page import fill
    from benchmarks.sweep_plan import Plan, sweep
    from export import tuning
    from export.config import RUNGS
    from export.tuning import Tuning
    from vcf.errors import UsageError
    from vcf.serve.server import ROOT

    repository = args.repository or ROOT / "model_repository"
    forms = list(dict.fromkeys([args.form, *(args.forms or RUNGS)]))
    try:
        base = Tuning.of(args.form)
        for form in forms:
            Tuning.of(form)
        tuning.generate(args.name, base)
    except ValueError as error:
        raise UsageError(str(error)) from None
    served.check(args, "minutes", "seconds", "low", "finalists")
    plan = Plan(
        minutes=args.minutes,
        seconds=args.seconds,
        low_share=args.low,
        callers=args.callers or 2 * len(os.sched_getaffinity(0)),
        finalists=args.finalists,
        wire=args.wire,
        seed=args.seed,
    )
    ladder = rungs(args.ladder) if args.ladder else None
    verdicts = {form: accuracy(form, repository, ladder, args.accept_flips) for form in forms}
    result = Result(
        "sweep",
        {
            **plan.settings(),
            "form": args.form,
            "forms": forms,
            "slices": args.slices,
            "studies": args.studies,
            "p99_ms": args.p99_ms,
            "accept_flips": args.accept_flips,
            "name": args.name,
        },
    )
    points = sweep(repository, base, forms, verdicts, library(args.slices, args.studies), plan, _say)
    choice = choose(points, base, verdicts, args.p99_ms, SLACK)
    if choice.chosen is not None and not args.no_write:
        tuning.write(repository, args.name, choice.chosen.tuning)
        _say(f"wrote {choice.chosen.tuning}; serve it with `vcf serve --config {args.name}`")
    fill(result, points, choice, verdicts, args.name)
    result.figures["generator_goes_first"] = may_go_first()
    return result


def _say(sentence: str) -> None:
    print(sentence, flush=True)
