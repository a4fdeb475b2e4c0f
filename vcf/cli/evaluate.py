# SPDX-License-Identifier: Apache-2.0
"""``vcf evaluate``: the pipeline in one process on held-out data; figures to the terminal, a file and a report."""

import argparse
import os
from pathlib import Path
from typing import Any

_SHOWN = (
    "studies",
    "fractured",
    "not_processed",
    "study_auc",
    "auc_grade_2_3",
    "auc_grade_1",
    "threshold",
    "sensitivity",
    "specificity",
    "height_baseline_auc",
    "centre_line_median_mm",
    "centre_line_p95_mm",
)


def add_parser(subparsers: Any) -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "evaluate",
        help="figures of the shipped or other weights on held-out data",
        description="Run the whole pipeline in one process on held-out studies. Phantoms and deformed CTs hold "
        "synthetic fractures, and every figure from them says so.",
    )
    parser.add_argument(
        "--data",
        default="phantom-test",
        metavar="SET|PATH",
        help="phantom-test: phantoms of ranges that training never saw; phantom-unseen: others of the ranges it saw; "
        "warped: deformed copies of a real CT in no training; real: real CTs without a known fracture, and the canal "
        "on them; or a path to your own annotated data, of which those patients are taken that the weights did not "
        "learn from; default %(default)s",
    )
    parser.add_argument("--grades", type=Path, metavar="FILE", help="grades of VerSe data, where they lie elsewhere")
    parser.add_argument(
        "--n", type=_positive, default=200, metavar="N", help="number of phantoms or copies (default %(default)s)"
    )
    parser.add_argument("--weights", type=Path, metavar="DIR", help="folder of `vcf train` (default: those that ship)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures and every result")
    parser.add_argument("--report", type=Path, metavar="DIR", help="write a page with plots, tables and pictures")
    parser.add_argument(
        "--workers",
        type=_positive,
        default=1,
        metavar="N",
        help="processes at work (default %(default)s)",
    )
    parser.set_defaults(run=run)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least 1")
    return int(text)


def run(args: argparse.Namespace) -> int:
    """Evaluate, print, write."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from training.data.datasets import Options
    from training.evaluate import evaluate
    from training.store import SHIPPED
    from vcf.cli.train import bars

    with bars() as progress:
        found = evaluate(
            args.data,
            args.n,
            args.weights or SHIPPED,
            options=Options(grades=args.grades),
            workers=args.workers,
            done=lambda done, total: progress("studies", done, total),
        )
    for name in _SHOWN:
        value = found.document.get(name)
        if value is not None:
            ends = found.document.get(f"{name}_interval")
            print(f"{name:24s} {value:.4g}" + (f"  ({ends[0]:.4g}–{ends[1]:.4g})" if ends else ""))
    for code, number in found.document["refusals"].items():
        print(f"{'refused ' + code:24s} {number}")
    if found.document["synthetic"]:
        print("all figures are synthetic: fractures that were made, not patients")
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(found.to_json())
    if args.report:
        from training.evaluation.report import write_report

        print(f"report: {write_report(found.document, found.cases, args.report)}")
    return 0
