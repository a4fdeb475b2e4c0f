# SPDX-License-Identifier: Apache-2.0
"""``vcf analyze`` with several studies: a progress bar, then a row a study."""

import argparse
import json
from contextlib import closing
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from vcf_cli import exit_codes
from vcf_cli.connection import client_of
from vcf_cli.outputs import STANDARD_OUTPUT, kept, write_json, writing
from vcf_cli.progress import study_bar
from vcf_client import Outcome, write_report
from vcf_contract.errors import SetupError, StudyRefused, VcfError


def run(args: argparse.Namespace) -> int:
    """Analyse, write, print; the exit code is that of the worst outcome."""
    outcomes: list[Outcome] = []
    failed: list[SetupError] = []
    with client_of(args, args.transport) as client, study_bar(len(args.study)) as progress:
        options = {"concurrency": args.concurrency, "age_policy": args.age_policy, "progress": progress}
        with closing(client.analyze_many(args.study, **options)) as results:
            for outcome in results:
                if args.report and outcome.findings:
                    folder = args.report / str(outcome.number + 1)
                    with kept(failed), writing("report", folder):
                        write_report(outcome.findings, folder)
                outcomes.append(outcome)
    if args.json:
        text = json.dumps([_document(outcome) for outcome in outcomes], indent=2) + "\n"
        with kept(failed):
            write_json(args.json, text)
    if args.json != STANDARD_OUTPUT:
        _show(outcomes)
    if failed:
        raise SetupError("; ".join(map(str, failed)))
    return max(exit_codes.of(outcome.error) for outcome in outcomes)


def _document(outcome: Outcome) -> dict[str, Any]:
    """Either ``findings``, as its schema has them, or ``error``; studies count from 1 in the order they were given."""
    if outcome.findings:
        return {"study": outcome.number + 1, "findings": json.loads(outcome.findings.to_json())}
    code, sentence = _said(outcome.error)
    return {"study": outcome.number + 1, "error": {"code": code, "sentence": sentence}}


def _said(error: Exception | None) -> tuple[str, str]:
    """Code and sentence. Of an error that is not ours only the kind: its text may quote a file."""
    if isinstance(error, StudyRefused):
        return error.code, error.sentence
    if isinstance(error, VcfError):
        return error.code, str(error)
    return type(error).__name__, "an unexpected error"


def _show(outcomes: list[Outcome]) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("study", justify="right")
    table.add_column("outcome")
    table.add_column("score", justify="right")
    table.add_column("patches", justify="right")
    table.add_column("s", justify="right")
    table.add_column("flags, or the reason", overflow="fold")
    for outcome in outcomes:
        number, found = str(outcome.number + 1), outcome.findings
        if found is None:
            code, sentence = _said(outcome.error)
            kind = "refused" if isinstance(outcome.error, StudyRefused) else "[red]failed[/]"
            table.add_row(number, kind, "", "", "", f"{code}: {sentence}")
            continue
        marked = sum(map(found.is_positive, found.patches))
        table.add_row(
            number,
            "[bold yellow]fracture suspected[/]" if found.positive else "no fracture suspected",
            f"{found.study_score:.2f}",
            f"{marked} of {len(found.patches)}",
            f"{sum(found.timings_ms.values()) / 1e3:.1f}",
            ", ".join(found.flags),
        )
    console = Console(highlight=False)
    console.print(table)
    for notice in sorted({outcome.findings.notice for outcome in outcomes if outcome.findings}):
        console.print(f"[dim]{notice}[/]")
