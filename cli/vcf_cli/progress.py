# SPDX-License-Identifier: Apache-2.0
"""Progress on standard error: bars of studies and stages, a spinner; nothing where that is no terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class Report(Protocol):
    """Takes how far a stage has come, and its latest figures."""

    def __call__(self, stage: str, done: int, total: int, figures: dict[str, float] | None = None) -> None: ...


@contextmanager
def reading() -> Iterator[Callable[[int, int], None]]:
    """Show a bar for the images of a study that are read, then a spinner while it is analysed."""
    with _progress(SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()) as bars:
        task = bars.add_task("Reading", total=None)

        def progress(done: int, total: int) -> None:
            if done < total:
                bars.update(task, completed=done, total=total)
            else:
                bars.update(task, description="Analysing", total=None)

        yield progress


@contextmanager
def study_bar(total: int) -> Iterator[Callable[[int], None]]:
    """Show how many of the studies are done."""
    with _progress(TextColumn("Analysing"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()) as bars:
        task = bars.add_task("studies", total=total)
        yield lambda done: bars.update(task, completed=done)


@contextmanager
def stages() -> Iterator[Report]:
    """Show a bar for each stage of a longer work, with its latest figures; they stay when it is done."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with _progress(*columns, TextColumn("{task.fields[figures]}"), transient=False) as bars:
        tasks: dict[str, Any] = {}

        def report(stage: str, done: int, total: int, figures: dict[str, float] | None = None) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total, figures="")
            text = " ".join(f"{name} {value:.3f}" for name, value in (figures or {}).items())
            bars.update(tasks[stage], completed=done, figures=text)

        yield report


def _progress(*columns: Any, transient: bool = True) -> Progress:
    console = Console(file=sys.stderr)
    return Progress(*columns, console=console, transient=transient, disable=not console.is_terminal)
