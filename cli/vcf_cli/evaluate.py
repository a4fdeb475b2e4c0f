# SPDX-License-Identifier: Apache-2.0
"""``vcf evaluate``: the pipeline in one process on held-out data; figures to the terminal, a file and a report."""

import argparse
from collections.abc import Mapping
from typing import Any

from vcf_cli.progress import stages
from vcf_training.data.datasets import Options
from vcf_training.evaluate import evaluate
from vcf_training.evaluation.report import write_report
from vcf_training.store import SHIPPED

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


def run(args: argparse.Namespace) -> int:
    """Evaluate, print, write."""
    with stages() as progress:
        found = evaluate(
            args.data,
            args.n,
            args.weights or SHIPPED,
            options=Options(grades=args.grades),
            robustness=args.robustness,
            workers=args.workers,
            done=lambda done, total: progress("studies", done, total),
        )
    for name in _SHOWN:
        value = found.document.get(name)
        if value is not None:
            ends = found.document.get(f"{name}_interval")
            print(f"{name:24s} {value:.4g}" + (f"  ({ends[0]:.4g}–{ends[1]:.4g})" if ends else ""))
    if moved := found.document.get("robustness"):
        print(_moved(moved))
    for code, number in found.document["refusals"].items():
        print(f"{'refused ' + code:24s} {number}")
    if found.document["synthetic"]:
        print("all figures are synthetic: fractures that were made, not patients")
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(found.to_json())
    if args.report:
        print(f"report: {write_report(found.document, found.cases, args.report)}")
    return 0


def _moved(robustness: Mapping[str, Any]) -> str:
    """Sizes of the changes of the score, by kind of change, as a table."""
    lines = [f"{'changed':24s} {'changes':>7s} {'median':>7s} {'95 %':>7s} {'largest':>7s} {'flipped':>8s}"]
    for row in [
        *robustness["kinds"],
        {"kind": "all"} | robustness["all"],
        {"kind": "highest shown"} | robustness["shown"],
    ]:
        if row["median"] is not None:
            sizes = " ".join(f"{row[name]:7.3f}" for name in ("median", "p95", "largest"))
            lines.append(f"{row['kind']:24s} {row['changes']:7d} {sizes} {100 * row['flipped']:6.1f} %")
    return "\n".join(lines)
