# SPDX-License-Identifier: Apache-2.0
"""The page of ``vcf bench copies``."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from vcf_benchmarks.copies.goals import TOLERANCE_SHARE
from vcf_benchmarks.harness.page import Cell, Document, Section, svg

SHOWN_SHARE = 0.01
"""A share of all copies of a transport: hops of less are added up in one line."""
COLOURS = {"client": "#b784c4", "kernel": "#e69f00", "server": "#7fc4ee", "stub": "#0068a8"}


def sections(document: Document) -> list[Section]:
    """Return the sections of the page."""
    figures = document["figures"]
    hops = [_hops(name, of["hops"], figures["volume_bytes"]) for name, of in figures["transports"].items()]
    return [_summary(figures), *hops]


def pictures(document: Document) -> dict[str, Figure]:
    """Return the pictures beside the page."""
    return {"budget": draw(document["figures"]["transports"])}


def draw(figures: Mapping[str, Any]) -> Figure:
    """Draw a bar a transport, by who copies, and a mark where the counter says that what it can see ends."""
    figure = Figure(figsize=(9, 1.5 + 0.5 * len(figures)), layout="constrained")
    axes = figure.subplots()
    left = dict.fromkeys(figures, 0.0)
    for who, colour in COLOURS.items():
        widths = [figures[transport]["by_who"][who]["budget_bytes"] / 1e6 for transport in figures]
        axes.barh(list(figures), widths, left=list(left.values()), color=colour, label=who, height=0.6)
        left = {transport: start + width for (transport, start), width in zip(left.items(), widths, strict=True)}
    for number, (transport, of) in enumerate(figures.items()):
        unseen = of["budget_bytes"] - of["to_count_bytes"]
        counted = (of["counted_bytes"] + unseen) / 1e6
        label = "counted, and hops that cannot be" if number == 0 else None
        axes.plot([counted, counted], [number - 0.4, number + 0.4], color="black", linewidth=2, label=label)
        text = f"  {left[transport]:,.0f} MB, {of['volumes_copied']:.1f} volumes"
        axes.text(max(left[transport], counted), number, text, va="center", fontsize=9)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.28 * max(left.values()))
    axes.set_xlabel("MB copied for one study")
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="y", length=0)
    figure.legend(loc="outside lower center", ncols=5, fontsize=9, frameon=False)
    return figure


def _summary(figures: Mapping[str, Any]) -> Section:
    size, voxels, found = figures["size"], figures["volume_bytes"], figures["transports"]
    inside = max(of["inside_networks_bytes"] for of in found.values())
    rows: list[list[Cell]] = []
    for transport, of in found.items():
        for who, one in {**of["by_who"], "all": of}.items():
            nbytes = [one[name] for name in ("budget_bytes", "to_count_bytes", "counted_bytes")]
            rows.append([transport, who, *(number / 1e6 for number in nbytes), nbytes[0] / voxels])
    text = (
        f"A study of {' × '.join(map(str, size['volume']))} voxels, {voxels / 1e6:.1f} MB, "
        f"{size['patches']} patches. The budget follows from the contract's tensors and wiring. It was confirmed by "
        "counting: a library preloaded into client, server and stubs adds up every memcpy and memmove of 4 KiB and "
        "more and every byte that goes through a socket. It does not see files being read, nor loops that copy short "
        "rows, as the cutting of a crop is: those hops are in the budget and not in the column “of it countable”. What "
        "runtimes copy inside the networks is work, depends on the processor, and is left out "
        f"({inside / 1e6:.1f} MB at most). A run in which one of the four lies more than "
        f"{TOLERANCE_SHARE:.0%} of the transport's budget away from it does not hold."
    )
    return Section(
        "Bytes copied for one study",
        text,
        svg(draw(found)),
        ("transport", "by", "budget MB", "of it countable", "counted MB", "volumes"),
        rows,
    )


def _hops(transport: str, copies: list[Mapping[str, Any]], voxels: int) -> Section:
    everything = sum(copy["nbytes"] for copy in copies)
    large = [copy for copy in copies if copy["nbytes"] >= SHOWN_SHARE * everything]
    rows: list[list[Cell]] = [
        [*(copy[name] for name in ("where", "who", "tensor", "what")), copy["nbytes"] / 1e6, copy["nbytes"] / voxels]
        for copy in large
    ]
    rest = everything - sum(copy["nbytes"] for copy in large)
    rows.append([f"{len(copies) - len(large)} smaller ones", "", "", "", rest / 1e6, rest / voxels])
    header = ("at", "by", "tensor", "copied", "MB", "volumes")
    return Section(f"By {transport}: {everything / 1e6:.1f} MB", "In the order in which it happens.", "", header, rows)
