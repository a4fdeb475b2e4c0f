# SPDX-License-Identifier: Apache-2.0
"""The page of one benchmark: targets, tables and plots in a single HTML file that needs nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from io import BytesIO, StringIO
from typing import Any

from jinja2 import Environment, StrictUndefined
from matplotlib.figure import Figure

Cell = str | int | float | None
Document = Mapping[str, Any]
"""The JSON of a result, of the present schema."""
BLUE, ORANGE, RED, GREEN, GREY = "#0b6e99", "#c26a00", "#a11616", "#0a6b2d", "#777777"


@dataclass(frozen=True)
class Section:
    """A heading, what it shows in a sentence or two, then a plot (an ``<svg>`` element), then a table."""

    title: str
    text: str = ""
    plot: str = ""
    header: Sequence[str] = ()
    rows: Sequence[Sequence[Cell]] = ()


def axes_of(width: float, height: float) -> tuple[Figure, Any]:
    """Return a figure of so many inches and its axes, with a faint grid and no frame at top and right."""
    figure = Figure(figsize=(width, height))
    axes = figure.subplots()
    plain(axes)
    return figure, axes


def plain(axes: Any) -> None:
    """Give axes the look of all plots here."""
    axes.grid(True, alpha=0.25)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def svg(figure: Figure) -> str:
    """Return a figure as an ``<svg>`` element that stands in the page."""
    out = StringIO()
    figure.savefig(out, format="svg", bbox_inches="tight", metadata={"Date": None})
    drawn = out.getvalue()
    return drawn[drawn.index("<svg") :]


def png(figure: Figure) -> bytes:
    """Return a figure as a PNG file, for documents that show no SVG."""
    out = BytesIO()
    figure.savefig(out, format="png", dpi=150, bbox_inches="tight", metadata={"Software": None})
    return out.getvalue()


def shown(value: Cell) -> str:
    """Return a cell as it reads: four significant digits, a dash for nothing."""
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    return f"{value:,.4g}" if isinstance(value, float) and abs(value) < 1e4 else f"{value:,.0f}"


def interval(entry: Mapping[str, Any]) -> str:
    """Return a percentile of the JSON as it reads: the value and its interval of 95 %, ``?`` for an open end."""
    low, high = ("?" if entry[end] is None else f"{entry[end]:.0f}" for end in ("low_ms", "high_ms"))
    return f"{entry['ms']:.0f} ({low}–{high})"


def render(document: Document, sections: Sequence[Section]) -> str:
    """Return the page of a result's JSON as HTML."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["shown"] = shown
    template = environment.from_string(files("vcf_benchmarks.harness").joinpath("page.html").read_text("utf-8"))
    return template.render(result=document, sections=sections)
