# SPDX-License-Identifier: Apache-2.0
"""``vcf analyze`` with several studies: a progress bar, then a row a study."""

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from vcf.cli.connection import client_of
from vcf.errors import DeadlineExceeded, ServerFailed, ServerUnavailable, StudyRefused, VcfError

if TYPE_CHECKING:
    from clients import Outcome

EXIT_OTHER, EXIT_REFUSED, EXIT_SERVER = 1, 2, 3


def run(args: argparse.Namespace) -> int:
    """Analyse, write, print; the exit code is that of the worst outcome."""
    from clients.report import write_report

    outcomes: list[Outcome] = []
    with client_of(args, args.wire) as client, _bar(len(args.study)) as progress:
        options = {"concurrency": args.concurrency, "age_policy": args.age_policy, "progress": progress}
        with closing(client.analyze_many(args.study, **options)) as results:
            for outcome in results:
                if args.report and outcome.findings:
                    write_report(outcome.findings, args.report / str(outcome.number + 1))
                outcomes.append(outcome)
    if args.json:
        text = json.dumps([_document(outcome) for outcome in outcomes], indent=2) + "\n"
        if str(args.json) == "-":
            print(text, end="")
        else:
            args.json.write_text(text, "utf-8")
    if str(args.json) != "-":
        _show(outcomes)
    return max(_exit_code(outcome.error) for outcome in outcomes)


def _exit_code(error: Exception | None) -> int:
    if error is None:
        return 0
    if isinstance(error, ServerUnavailable | ServerFailed | DeadlineExceeded):
        return EXIT_SERVER
    return EXIT_REFUSED if isinstance(error, StudyRefused) else EXIT_OTHER


def _document(outcome: "Outcome") -> dict[str, Any]:
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


def _show(outcomes: "list[Outcome]") -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

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


@contextmanager
def _bar(total: int) -> Iterator[Any]:
    """A progress bar on standard error; nothing where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("Analysing"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(file=sys.stderr)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task("studies", total=total)
        yield lambda done: bars.update(task, completed=done)
