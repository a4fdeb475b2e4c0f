# SPDX-License-Identifier: Apache-2.0
"""A trace as bars, each under the one it is part of."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from vcf_benchmarks.trace.collector import Span

COLOURS = {"vcf-analyze": "#7a5195", "vcf-triton": "#0068a8"}
"""Client and server."""


def in_order(spans: Sequence[Span]) -> list[tuple[int, Span]]:
    """Depth and span: each behind the one that it is part of, in the order of time."""
    ids = {span.span_id for span in spans}

    def below(parent: str, depth: int) -> Iterator[tuple[int, Span]]:
        inside = [span for span in spans if (span.parent_id if span.parent_id in ids else "") == parent]
        for span in sorted(inside, key=lambda each: each.start_ns):
            yield depth, span
            yield from below(span.span_id, depth + 1)

    return list(below("", 0))


def draw(spans: Sequence[Span], out: Path) -> None:
    """Write the picture of one trace."""
    rows = in_order(spans)
    begin = min(span.start_ns for span in spans)
    whole_ms = (max(span.end_ns for span in spans) - begin) / 1e6
    figure = Figure(figsize=(9, 0.24 * len(rows) + 1.1), layout="constrained")
    axes = figure.add_subplot()
    for row, (_, span) in enumerate(rows):
        start_ms, long_ms = (span.start_ns - begin) / 1e6, (span.end_ns - span.start_ns) / 1e6
        axes.barh(
            row, max(long_ms, whole_ms / 600), left=start_ms, height=0.7, color=COLOURS.get(span.service, "#888888")
        )
        near_end = start_ms + long_ms > 0.85 * whole_ms
        at, side = (start_ms, "right") if near_end else (start_ms + long_ms, "left")
        axes.annotate(
            f"{long_ms:.0f} ms" if long_ms >= 0.5 else f"{long_ms:.1f} ms",
            (at, row),
            (-4 if near_end else 4, 0),
            textcoords="offset points",
            va="center",
            ha=side,
            fontsize=7,
        )
    axes.set_yticks(range(len(rows)), ["   " * depth + span.name for depth, span in rows], fontsize=8, ha="left")
    axes.tick_params(axis="y", pad=150, length=0)
    axes.invert_yaxis()
    axes.set_xlim(-0.06 * whole_ms, whole_ms * 1.04)
    axes.set_xlabel("ms since the command began to read the study")
    axes.spines[["top", "right", "left"]].set_visible(False)
    used = [Patch(color=colour, label=name) for name, colour in COLOURS.items()]
    axes.legend(handles=used, loc="lower left", fontsize=8, frameon=False, title="service.name", title_fontsize=8)
    figure.savefig(out, dpi=130)
