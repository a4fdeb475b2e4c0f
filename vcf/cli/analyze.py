# SPDX-License-Identifier: Apache-2.0
"""``vcf analyze``: studies to a running server, the findings to the terminal and, if asked, to files."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vcf.cli import studies
from vcf.cli.connection import add_options, client_of, count
from vcf.errors import SetupError

if TYPE_CHECKING:
    from clients import Findings


def add_parser(subparsers: Any) -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "analyze",
        help="analyse a CT study on a running server",
        description="Analyse CT studies on a running server: of each the most suitable series that is found is taken. "
        "Of several studies a table is printed, in the order given; one that fails does not stop the others.",
        epilog="exit codes: 0 analysed, 2 study refused, 3 server unreachable, too slow or failed, 64 wrong usage",
    )
    parser.add_argument(
        "study", type=Path, nargs="+", metavar="STUDY", help="folder, file or archive of DICOM images, or NIfTI"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the findings as JSON; - is standard output")
    parser.add_argument(
        "--report",
        type=Path,
        metavar="DIR",
        help="write findings.json, midsagittal.png, report.html; of several studies into DIR/1, DIR/2, …",
    )
    parser.add_argument("--sr", type=Path, metavar="FILE", help="write a DICOM structured report (extra: gateway)")
    parser.add_argument("--sc", type=Path, metavar="FILE", help="write the picture as DICOM secondary capture")
    parser.add_argument(
        "--wire",
        choices=("auto", "shm", "crop", "volume", "dicom"),
        default="auto",
        help="how the study gets to the server: shared memory, the part about the spine, all of it, or its files; "
        "auto is the part about the spine, if the server takes that (default %(default)s)",
    )
    parser.add_argument(
        "--age-policy",
        choices=("warn", "block"),
        default="warn",
        help="what to do if the patient is under 50 or of unknown age (default %(default)s)",
    )
    parser.add_argument(
        "--concurrency", type=count, default=2, metavar="N", help="studies at a time, of several (default %(default)s)"
    )
    add_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Analyse, write, print."""
    if len(args.study) > 1:
        if args.sr or args.sc:
            args.usage_error("--sr and --sc write one file: give one study")
        return studies.run(args)
    (study,) = args.study
    with client_of(args, args.wire) as client, reading() as progress:
        findings = client.analyze(study, age_policy=args.age_policy, progress=progress)
    if args.report:
        from clients.report import write_report

        findings = write_report(findings, args.report)
    if args.sr or args.sc:
        write_dicom(findings, study, args.sr, args.sc)
    if args.json and str(args.json) == "-":
        print(findings.to_json(), end="")
        return 0
    if args.json:
        args.json.write_text(findings.to_json(), "utf-8")
    show(findings)
    return 0


def write_dicom(findings: "Findings", study: Path, report: Path | None, picture: Path | None) -> None:
    """Write the findings as DICOM objects of the study that they were made from."""
    from clients.dicom.source import read_source

    source = read_source(study, findings.series_id)
    if report:
        try:
            from clients.dicom.structured_report import structured_report
        except ModuleNotFoundError as error:
            raise SetupError(f"--sr needs {error.name}: pip install 'vcf-triton[gateway]'") from None
        structured_report(findings, source).save_as(report, enforce_file_format=True)
    if picture:
        from clients.dicom.secondary_capture import secondary_capture

        secondary_capture(findings, source).save_as(picture, enforce_file_format=True)


@contextmanager
def reading() -> Iterator[Any]:
    """A progress bar on standard error for the images read, then a spinner; nothing where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    console = Console(file=sys.stderr)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task("Reading", total=None)

        def progress(done: int, total: int) -> None:
            if done < total:
                bars.update(task, completed=done, total=total)
            else:
                bars.update(task, description="Analysing", total=None)

        yield progress


def show(findings: "Findings") -> None:
    """Print a short table of the findings."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from clients.flags import meaning

    console = Console(highlight=False)
    verdict = "[bold yellow]fracture suspected[/]" if findings.positive else "[bold]no fracture suspected[/]"
    console.print(f"{verdict}: study score {findings.study_score:.2f}, threshold {findings.threshold:.2f}")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("patch", "z mm", "probability", "score", ""):
        table.add_column(heading, justify="left" if not heading else "right")
    for number, patch in enumerate(findings.patches, 1):
        (_, _, z0), (_, _, z1) = patch.box_mm
        marked = findings.is_positive(patch)
        table.add_row(
            f"{number}",
            f"{z1:.0f} to {z0:.0f}",
            f"{patch.probability:.2f}",
            f"{patch.score:.2f}",
            "█" * max(1, round(20 * patch.score)),
            style="yellow" if marked else None,
        )
    console.print(table)
    for flag in findings.flags:
        console.print(f"{flag}: {meaning(flag)}")
    total_s = sum(findings.timings_ms.values()) / 1e3
    times = ", ".join(f"{stage} {ms:.0f}" for stage, ms in findings.timings_ms.items())
    console.print(f"[dim]{total_s:.2f} s; in ms: {times}[/]")
    console.print(f"[dim]sent by {findings.wire}: {findings.bytes_sent / 1e6:.1f} MB[/]")
    console.print(f"[dim]{findings.notice}[/]")
