# SPDX-License-Identifier: Apache-2.0
"""The page of one benchmark: targets, tables and plots in a single HTML file that needs nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from io import BytesIO, StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, StrictUndefined

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Cell = str | int | float | None


@dataclass(frozen=True)
class Section:
    """A heading, what it shows in a sentence or two, then a plot (an ``<svg>`` element), then a table."""

    title: str
    text: str = ""
    plot: str = ""
    header: Sequence[str] = ()
    rows: Sequence[Sequence[Cell]] = ()


def svg(figure: "Figure") -> str:
    """A Matplotlib figure as an ``<svg>`` element that stands in the page."""
    out = StringIO()
    figure.savefig(out, format="svg", bbox_inches="tight", metadata={"Date": None})
    drawn = out.getvalue()
    return drawn[drawn.index("<svg") :]


def png(figure: "Figure") -> bytes:
    """The same as a file, for documents that show no SVG."""
    out = BytesIO()
    figure.savefig(out, format="png", dpi=150, bbox_inches="tight", metadata={"Software": None})
    return out.getvalue()


def shown(value: Cell) -> str:
    """A cell as it reads: four significant digits, a dash for nothing."""
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    return f"{value:,.4g}" if isinstance(value, float) and abs(value) < 1e4 else f"{value:,.0f}"


def write_page(document: Mapping[str, Any], sections: Sequence[Section], path: Path) -> None:
    """Write the page of a result's JSON document."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["shown"] = shown
    template = environment.from_string(files("benchmarks").joinpath("page.html").read_text("utf-8"))
    path.write_text(template.render(result=document, sections=sections), "utf-8")
