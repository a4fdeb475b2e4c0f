# SPDX-License-Identifier: Apache-2.0
"""The run of ``vcf bench sweep``: the settings that suit this machine, measured, and written as a form."""

import argparse

from vcf_benchmarks.harness import machine, options, priority
from vcf_benchmarks.harness.result import Result
from vcf_benchmarks.harness.studies import library
from vcf_benchmarks.sweep.choice import accuracy, checks, choose
from vcf_benchmarks.sweep.figures import add_figures
from vcf_benchmarks.sweep.options import SLACK
from vcf_benchmarks.sweep.plan import Plan, sweep
from vcf_contract.errors import UsageError
from vcf_export import tuning
from vcf_export.config import CHECKS
from vcf_export.tuning import Tuning
from vcf_server.assets import repository_to_write


def run(args: argparse.Namespace) -> Result:
    """Search, confirm, choose and write."""
    repository = repository_to_write(args.repository, "--repository")
    forms = list(dict.fromkeys([args.form, *(args.forms or CHECKS)]))
    try:
        base = Tuning.of(args.form)
        for form in forms:
            Tuning.of(form)
        tuning.generate(args.name, base, {})
    except ValueError as error:
        raise UsageError(str(error)) from None
    options.positive(args, "minutes", "seconds", "low", "finalists", "slices", "studies")
    plan = Plan(
        minutes=args.minutes,
        seconds=args.seconds,
        low_share=args.low,
        callers=args.callers or 2 * machine.cores(),
        finalists=args.finalists,
        transport=args.transport,
        seed=args.seed,
    )
    parity = checks(args.parity) if args.parity else None
    verdicts = {form: accuracy(form, repository, parity, args.accept_flips) for form in forms}
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
    points = sweep(repository, base, forms, verdicts, library(args.slices, args.studies), plan, _print)
    choice = choose(points, base, verdicts, args.p99_ms, SLACK)
    if choice.chosen is not None and not args.no_write:
        tuning.write(repository, args.name, choice.chosen.tuning)
        _print(f"wrote {choice.chosen.tuning}; serve it with `vcf serve --config {args.name}`")
    add_figures(result, points, choice, verdicts, args.name)
    result.figures["generator_goes_first"] = priority.allowed()
    return result


def _print(sentence: str) -> None:
    print(sentence, flush=True)
