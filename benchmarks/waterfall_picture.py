# SPDX-License-Identifier: Apache-2.0
"""The waterfall of one study, and the studies of all wires side by side."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from benchmarks.waterfall_timeline import Account, Kind, Part
from vcf.contract import MODELS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS: Mapping[Kind, str] = {
    Kind.READ: "#7a5195",
    Kind.PREPARE: "#b784c4",
    Kind.SERIALISE: "#e3c1ea",
    Kind.WIRE: "#e69f00",
    Kind.FRONTEND: "#8c6a2f",
    Kind.QUEUE: "#c4c9ce",
    Kind.INPUT: "#7fc4ee",
    Kind.COMPUTE: "#0068a8",
    Kind.OUTPUT: "#2ca58d",
    Kind.FINDINGS: "#c2185b",
    Kind.REPORT: "#6d6d6d",
    Kind.WHOLE_EXCHANGE: "#e69f00",
}
"""Client in violets, wire in orange, models in blues and green: told apart by lightness too."""
_REMAINDER = "#ffffff"
_SERVER_GROUND = "#f3f6f9"
_MODELS = frozenset(model.name for model in MODELS)

Row = tuple[str | None, str]
"""Door, if the row belongs to a request, and label."""


def rows_of(account: Account) -> list[Row]:
    """One row for what the client does under one name, for the way of each request, and for each model in it."""
    found: list[Row] = []
    for part in sorted(account.parts, key=lambda part: part.start_ns):
        if (row := row_of(part)) not in found:
            found.append(row)
    return found


def row_of(part: Part) -> Row:
    """Where a part is drawn: the way there, the front end and the way back share a row."""
    if part.kind in (Kind.WIRE, Kind.FRONTEND, Kind.WHOLE_EXCHANGE):
        return part.door, "wire"
    return part.door if part.label in _MODELS else None, part.label


def waterfall(account: Account, start_ns: int, title: str) -> "Figure":
    """Bars from left to right in time, a row a step; at the right what the study owes to the row."""
    from matplotlib.figure import Figure

    rows = rows_of(account)
    figure = Figure(figsize=(11, 1.9 + 0.29 * len(rows)), layout="constrained")
    strip, axes = figure.subplots(2, 1, height_ratios=[1.1, max(4.0, len(rows))], sharex=True)
    whole_ms = account.whole_ns / 1e6
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, weight="bold")
    _draw_strip(strip, account, whole_ms)

    owed = dict.fromkeys(rows, 0.0)
    # Long bars over short ones, whose edges would otherwise look longer than they are.
    pairs = zip(account.parts, account.shares_ns, strict=True)
    for part, share in sorted(pairs, key=lambda pair: pair[0].end_ns - pair[0].start_ns):
        row = row_of(part)
        owed[row] += share / 1e6
        axes.barh(
            rows.index(row),
            (part.end_ns - part.start_ns) / 1e6,
            left=(part.start_ns - start_ns) / 1e6,
            height=0.46 if part.kind is Kind.QUEUE else 0.74,
            color=COLOURS[part.kind],
            linewidth=0.8,  # so that what is short is seen
            edgecolor=COLOURS[part.kind],
        )
    for number, row in enumerate(rows):
        _, label = row
        if label in _MODELS or label == "wire":
            axes.axhspan(number - 0.5, number + 0.5, color=_SERVER_GROUND, zorder=0)
        axes.text(
            1.012, number, f"{owed[row]:.1f}", transform=axes.get_yaxis_transform(), va="center", ha="left", fontsize=9
        )
    axes.text(
        0.0, -0.95, "shaded: on the server, or on the way", transform=axes.get_yaxis_transform(), va="center",
        fontsize=8.5, color="#555",
    )  # fmt: skip
    axes.text(
        1.012, -0.95, "ms of whole", transform=axes.get_yaxis_transform(), va="center", ha="left", fontsize=8.5,
        color="#555",
    )  # fmt: skip
    axes.set_yticks(range(len(rows)), [_named(row) for row in rows], fontsize=9)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0, whole_ms)
    axes.set_xlabel("ms since the study was handed to the client")
    axes.grid(axis="x", color="#dde1e5", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="y", length=0)
    _legend(figure, account)
    return figure


def _named(row: Row) -> str:
    door, label = row
    return f"wire, {door}" if label == "wire" else label


def _draw_strip(axes: "Axes", account: Account, whole_ms: float) -> None:
    """All of the time by kind, end to end: the sums of the rows below."""
    left = 0.0
    for kind, ns in account.by_kind_ns().items():
        ms = ns / 1e6
        axes.barh(0, ms, left=left, height=0.8, color=COLOURS[kind])
        if ms > 0.045 * whole_ms:
            dark = kind in (Kind.READ, Kind.COMPUTE, Kind.FRONTEND, Kind.FINDINGS, Kind.REPORT)
            axes.text(
                left + ms / 2, 0, f"{ms:.0f}", ha="center", va="center", fontsize=9, color="white" if dark else "black"
            )
        left += ms
    axes.barh(0, whole_ms - left, left=left, height=0.8, color=_REMAINDER, edgecolor="#888", hatch="///", linewidth=0.5)
    axes.set_yticks([0], ["all of it, by kind"], fontsize=9)
    axes.tick_params(axis="both", length=0, labelbottom=False)
    axes.text(1.012, 0, f"{whole_ms:.0f}", transform=axes.get_yaxis_transform(), va="center", fontsize=9, weight="bold")
    for side in axes.spines.values():
        side.set_visible(False)


def _legend(figure: "Figure", account: Account) -> None:
    from matplotlib.patches import Patch

    kinds = account.by_kind_ns()
    handles = [Patch(color=COLOURS[kind], label=f"{kind} {ns / 1e6:.1f} ms") for kind, ns in kinds.items()]
    handles.append(
        Patch(
            facecolor=_REMAINDER, edgecolor="#888", hatch="///", label=f"remainder {account.remainder_ns / 1e6:.1f} ms"
        )
    )
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=9, frameon=False)


def side_by_side(accounts: Mapping[str, Account]) -> "Figure":
    """One bar a wire, by kind."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 1.4 + 0.5 * len(accounts)), layout="constrained")
    axes = figure.subplots()
    kinds = [kind for kind in Kind if any(kind in account.by_kind_ns() for account in accounts.values())]
    left = dict.fromkeys(accounts, 0.0)
    for kind in kinds:
        widths = [account.by_kind_ns().get(kind, 0.0) / 1e6 for account in accounts.values()]
        axes.barh(list(accounts), widths, left=list(left.values()), color=COLOURS[kind], label=str(kind), height=0.62)
        left = {wire: start + width for (wire, start), width in zip(left.items(), widths, strict=True)}
    for number, account in enumerate(accounts.values()):
        axes.text(account.whole_ns / 1e6, number, f"  {account.whole_ns / 1e6:.0f} ms", va="center", fontsize=9)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.1 * max(account.whole_ns for account in accounts.values()) / 1e6)
    axes.set_xlabel("ms from DICOM files to report, median study of each wire")
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="y", length=0)
    figure.legend(loc="outside lower center", ncols=4, fontsize=9, frameon=False)
    return figure
