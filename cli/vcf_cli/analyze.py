# SPDX-License-Identifier: Apache-2.0
"""``vcf analyze``: studies to a running server, the findings to the terminal and, if asked, to files."""

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from vcf_cli import studies
from vcf_cli.connection import client_of
from vcf_cli.outputs import STANDARD_OUTPUT, kept, write_json, writing
from vcf_cli.progress import reading
from vcf_client import Findings, read_source, secondary_capture, tracing, write_report
from vcf_client.dicom.files import NIFTI_SUFFIXES
from vcf_client.flags import meaning
from vcf_client.report import JSON_NAME
from vcf_contract.errors import Code, SetupError, StudyRefused, VcfError


def run(args: argparse.Namespace) -> int:
    """Analyse, write, print; with a trace if one is wanted."""
    if not args.otlp:
        return _run(args)
    end = tracing.export_to(args.otlp, "vcf-analyze")
    try:
        return _run(args)
    finally:
        end()


def _run(args: argparse.Namespace) -> int:
    if len(args.study) > 1:
        if args.sr or args.sc:
            args.usage_error("--sr and --sc write one file: give one study")
        return studies.run(args)
    (study,) = args.study
    if args.sr or args.sc:
        refuse_no_dicom_results(study, args.sr)
    failed: list[SetupError] = []
    with tracing.span("study"):
        with (
            client_of(args, args.transport) as client,
            reading() as progress,
            told(args.json == STANDARD_OUTPUT),
        ):
            findings = client.analyze(study, age_policy=args.age_policy, progress=progress)
        if args.report:
            with tracing.span("report"), kept(failed), writing("report", args.report / JSON_NAME):
                findings = write_report(findings, args.report)
    if args.sr or args.sc:
        with kept(failed):
            write_dicom(findings, study, args.sr, args.sc)
    if args.json:
        with kept(failed):
            write_json(args.json, findings.to_json())
    if args.json != STANDARD_OUTPUT:
        show(findings)
    if failed:
        raise SetupError("; ".join(map(str, failed)))
    return 0


@contextmanager
def told(as_json: bool) -> Iterator[None]:
    """Print an error as JSON, code and sentence, where the findings would have been printed so."""
    try:
        yield
    except VcfError as error:
        if as_json:
            print(json.dumps({"error": {"code": error.code, "sentence": str(error)}}, ensure_ascii=False))
        raise


def refuse_no_dicom_results(study: Path, report: Path | None) -> None:
    """Raise before the work where DICOM results cannot be made: of a NIfTI file, or without what writes a report."""
    if study.name.lower().endswith(NIFTI_SUFFIXES) and study.is_file():
        raise StudyRefused(Code.NOT_DICOM, "--sr and --sc belong to a DICOM study; of a NIfTI file there is none")
    if report:
        _structured_report()


def _structured_report() -> Any:
    try:
        from vcf_client import structured_report  # noqa: PLC0415 - highdicom is an extra of its own
    except ModuleNotFoundError as error:
        raise SetupError(f"--sr needs {error.name}: pip install 'vcf-triton[gateway]'") from None
    return structured_report


def write_dicom(findings: Findings, study: Path, report: Path | None, picture: Path | None) -> None:
    """Write the findings as DICOM objects of the study that they were made from."""
    source = read_source(study, findings.series_id)
    if report:
        with writing("sr", report):
            _structured_report()(findings, source).save_as(report, enforce_file_format=True)
    if picture:
        with writing("sc", picture):
            secondary_capture(findings, source).save_as(picture, enforce_file_format=True)


def show(findings: Findings) -> None:
    """Print a short table of the findings."""
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
    if findings.smoothed:
        table.caption, table.caption_justify = "score: the probability smoothed over neighbouring patches", "left"
    console.print(table)
    for flag in findings.flags:
        console.print(f"{flag}: {meaning(flag)}")
    total_s = sum(findings.timings_ms.values()) / 1e3
    times = ", ".join(f"{stage} {ms:.0f}" for stage, ms in findings.timings_ms.items())
    console.print(f"[dim]{total_s:.2f} s; in ms: {times}[/]")
    console.print(f"[dim]sent by {findings.transport}: {findings.bytes_sent / 1e6:.1f} MB[/]")
    console.print(f"[dim]{findings.notice}[/]")
