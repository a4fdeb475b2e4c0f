# SPDX-License-Identifier: Apache-2.0
"""The waterfall of one study, and the studies of all transports side by side, drawn from the JSON."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from vcf_benchmarks.waterfall.kinds import Kind

COLOURS: Mapping[Kind, str] = {
    Kind.READ: "#7a5195",
    Kind.PREPARE: "#b784c4",
    Kind.SERIALISE: "#e3c1ea",
    Kind.NETWORK: "#e69f00",
    Kind.FRONTEND: "#8c6a2f",
    Kind.QUEUE: "#c4c9ce",
    Kind.INPUT: "#7fc4ee",
    Kind.COMPUTE: "#0068a8",
    Kind.OUTPUT: "#2ca58d",
    Kind.FINDINGS: "#c2185b",
    Kind.REPORT: "#6d6d6d",
    Kind.WHOLE_EXCHANGE: "#e69f00",
}
"""Client in violets, network in orange, models in blues and green: told apart by lightness too."""
_REMAINDER = "#ffffff"
_SERVER_GROUND = "#f3f6f9"
_ON_THE_WAY = (Kind.NETWORK, Kind.FRONTEND, Kind.WHOLE_EXCHANGE)
_IN_MODELS = (Kind.QUEUE, Kind.INPUT, Kind.COMPUTE, Kind.OUTPUT)
_WAY = "network"

Study = Mapping[str, Any]
"""A study of the JSON: ``whole_ms``, ``remainder_ms`` and ``parts``."""
Row = tuple[str | None, str, bool]
"""Request, if the row belongs to one, label, and whether it lies on the server or on the way there."""


def by_kind_ms(study: Study) -> dict[Kind, float]:
    """Add up the parts of each kind that occurs, in the order of a study."""
    kinds = [Kind(part["kind"]) for part in study["parts"]]
    return {
        kind: sum(part["of_whole_ms"] for part, other in zip(study["parts"], kinds, strict=True) if other is kind)
        for kind in Kind
        if kind in kinds
    }


def rows_of(study: Study) -> list[Row]:
    """List a row for what the client does under one name, for the way of each request, and for each model in it."""
    found: list[Row] = []
    for part in sorted(study["parts"], key=lambda part: float(part["start_ms"])):
        if (row := row_of(part)) not in found:
            found.append(row)
    return found


def row_of(part: Mapping[str, Any]) -> Row:
    """Return where a part is drawn: the way there, the front end and the way back share a row."""
    if part["kind"] in _ON_THE_WAY:
        return part["request"], _WAY, True
    if part["kind"] in _IN_MODELS:
        return part["request"], part["part"], True
    return None, part["part"], False


def waterfall(study: Study, title: str) -> Figure:
    """Draw bars from left to right in time, a row a step; at the right what the study owes to the row."""
    rows = rows_of(study)
    figure = Figure(figsize=(11, 1.9 + 0.29 * len(rows)), layout="constrained")
    strip, axes = figure.subplots(2, 1, height_ratios=[1.1, max(4.0, len(rows))], sharex=True)
    whole_ms = study["whole_ms"]
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, weight="bold")
    _draw_strip(strip, study, whole_ms)

    owed = dict.fromkeys(rows, 0.0)
    # Long bars over short ones, whose edges would otherwise look longer than they are.
    for part in sorted(study["parts"], key=lambda part: float(part["end_ms"] - part["start_ms"])):
        row, kind = row_of(part), Kind(part["kind"])
        owed[row] += part["of_whole_ms"]
        axes.barh(
            rows.index(row),
            part["end_ms"] - part["start_ms"],
            left=part["start_ms"],
            height=0.46 if kind is Kind.QUEUE else 0.74,
            color=COLOURS[kind],
            linewidth=0.8,  # so that what is short is seen
            edgecolor=COLOURS[kind],
        )
    for number, row in enumerate(rows):
        if row[2]:
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
    _legend(figure, study)
    return figure


def _named(row: Row) -> str:
    request, label, _ = row
    return f"{_WAY}, {request}" if label == _WAY else label


def _draw_strip(axes: Any, study: Study, whole_ms: float) -> None:
    """Draw all of the time by kind, end to end: the sums of the rows below."""
    left = 0.0
    for kind, ms in by_kind_ms(study).items():
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


def _legend(figure: Figure, study: Study) -> None:
    kinds = by_kind_ms(study)
    handles = [Patch(color=COLOURS[kind], label=f"{kind} {ms:.1f} ms") for kind, ms in kinds.items()]
    handles.append(
        Patch(facecolor=_REMAINDER, edgecolor="#888", hatch="///", label=f"remainder {study['remainder_ms']:.1f} ms")
    )
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=9, frameon=False)


def side_by_side(studies: Mapping[str, Study]) -> Figure:
    """Draw one bar a transport, by kind."""
    figure = Figure(figsize=(11, 1.4 + 0.5 * len(studies)), layout="constrained")
    axes = figure.subplots()
    kinds = [kind for kind in Kind if any(kind in by_kind_ms(study) for study in studies.values())]
    left = dict.fromkeys(studies, 0.0)
    for kind in kinds:
        widths = [by_kind_ms(study).get(kind, 0.0) for study in studies.values()]
        axes.barh(list(studies), widths, left=list(left.values()), color=COLOURS[kind], label=str(kind), height=0.62)
        left = {name: start + width for (name, start), width in zip(left.items(), widths, strict=True)}
    for number, study in enumerate(studies.values()):
        axes.text(study["whole_ms"], number, f"  {study['whole_ms']:.0f} ms", va="center", fontsize=9)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.1 * max(study["whole_ms"] for study in studies.values()))
    axes.set_xlabel("ms from DICOM files to report, median study of each transport")
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="y", length=0)
    figure.legend(loc="outside lower center", ncols=4, fontsize=9, frameon=False)
    return figure
