# SPDX-License-Identifier: Apache-2.0
"""``vcf compare``: the same studies on two servers, both scores side by side."""

import argparse
import json
from copy import copy
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from vcf_cli import exit_codes
from vcf_cli.connection import client_of
from vcf_cli.outputs import STANDARD_OUTPUT, write_json
from vcf_cli.progress import study_bar
from vcf_client import Findings, VcfClient, read_study
from vcf_client.study import Study
from vcf_contract.errors import VcfError

SIDES = ("a", "b")
Side = Findings | VcfError


def run(args: argparse.Namespace) -> int:
    """Compare, print, write; the exit code is that of the worst outcome."""
    rows: list[tuple[Side, Side]] = []
    with _client(args, "a") as a, _client(args, "b") as b, study_bar(len(args.study)) as progress:
        for done, path in enumerate(args.study, 1):
            rows.append(_both(a, b, path))
            progress(done)
    if args.json:
        text = json.dumps([_document(number, row) for number, row in enumerate(rows, 1)], indent=2) + "\n"
        write_json(args.json, text)
    if args.json != STANDARD_OUTPUT:
        _show(rows, args)
    return max(exit_codes.of(side if isinstance(side, VcfError) else None) for row in rows for side in row)


def _client(args: argparse.Namespace, side: str) -> VcfClient:
    given = copy(args)
    given.server = [getattr(args, side)]
    return client_of(given, "auto")


def _both(a: VcfClient, b: VcfClient, path: Path) -> tuple[Side, Side]:
    """Read once, so that both sides get the same voxels."""
    try:
        study = read_study(path)
    except VcfError as error:
        return error, error
    return _analysed(a, study), _analysed(b, study)


def _analysed(client: VcfClient, study: Study) -> Side:
    try:
        return client.analyze(study)
    except VcfError as error:
        return error


def _document(number: int, row: tuple[Side, Side]) -> dict[str, Any]:
    """Studies count from 1 in the order they were given."""
    return {"study": number, **{name: _plain(side) for name, side in zip(SIDES, row, strict=True)}}


def _plain(side: Side) -> dict[str, Any]:
    if isinstance(side, VcfError):
        return {"error": {"code": side.code, "sentence": str(side)}}
    return {
        "study_score": side.study_score,
        "threshold": side.threshold,
        "positive": side.positive,
        "patch_scores": [patch.score for patch in side.patches],
        "model_hash": side.model.hash,
    }


def _show(rows: list[tuple[Side, Side]], args: argparse.Namespace) -> None:
    console = Console(highlight=False)
    found = [[side for side in sides if isinstance(side, Findings)] for sides in zip(*rows, strict=True)]
    hashes = [sorted({side.model.hash for side in sides}) for sides in found]
    for name, known in zip(SIDES, hashes, strict=True):
        console.print(f"{name.upper()} {getattr(args, name)}: weights {', '.join(h[:12] for h in known) or 'unknown'}")
    if hashes[0] == hashes[1] != []:
        console.print("both answer with the same weights")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("study", justify="right")
    for heading in ("score A", "score B", "B − A"):
        table.add_column(heading, justify="right")
    table.add_column("suspected by", overflow="fold")
    for number, (a, b) in enumerate(rows, 1):
        if isinstance(a, VcfError) or isinstance(b, VcfError):
            said = "; ".join(
                f"{n.upper()} {s.code}: {s}" for n, s in zip(SIDES, (a, b), strict=True) if isinstance(s, VcfError)
            )
            table.add_row(
                str(number), *("" if isinstance(s, VcfError) else f"{s.study_score:.3f}" for s in (a, b)), "", said
            )
            continue
        suspected = [name.upper() for name, side in zip(SIDES, (a, b), strict=True) if side.positive]
        table.add_row(
            str(number),
            f"{a.study_score:.3f}",
            f"{b.study_score:.3f}",
            f"{b.study_score - a.study_score:+.3f}",
            " and ".join(suspected) or "neither",
            style="yellow" if len(suspected) == 1 else None,
        )
    console.print(table)
    both = [(a, b) for a, b in rows if isinstance(a, Findings) and isinstance(b, Findings)]
    differ = sum(a.positive != b.positive for a, b in both)
    console.print(f"{len(both)} of {len(rows)} studies compared, {differ} decided differently")
