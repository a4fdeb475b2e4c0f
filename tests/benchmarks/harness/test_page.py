# SPDX-License-Identifier: Apache-2.0
import pytest
from matplotlib.figure import Figure

from vcf_benchmarks.harness.page import Section, axes_of, interval, png, render, shown, svg
from vcf_benchmarks.harness.result import Result, Target


@pytest.mark.parametrize(
    ("cell", "text"),
    [(None, "–"), ("x", "x"), (3, "3"), (1234567, "1,234,567"), (0.123456, "0.1235"), (54321.6, "54,322")],
)
def test_cells_read_well(cell, text: str) -> None:
    assert shown(cell) == text


def test_an_interval_tells_an_end_that_is_open() -> None:
    assert interval({"ms": 312.4, "low_ms": 200.6, "high_ms": None}) == "312 (201–?)"


def test_targets_rules_and_tables_stand_on_the_page_and_text_is_no_markup() -> None:
    result = Result("floor", {}, targets=[Target("ratio <p50>", 1.2, 1.15)], broken=["the clock stood still"])
    page = render(result.document(), [Section("A & B", header=("name", "ms"), rows=[("one", 1.5), ("two", None)])])
    assert "the clock stood still" in page and "A &amp; B" in page and "ratio &lt;p50&gt;" in page and "missed" in page
    assert "<td>two</td><td>–</td>" in page


def test_a_figure_is_the_same_each_time_it_is_drawn_as_a_file() -> None:
    def drawn() -> Figure:
        figure, axes = axes_of(3, 2)
        axes.plot([1, 2], [3, 4])
        return figure

    assert png(drawn()) == png(drawn()) and png(drawn()).startswith(b"\x89PNG")
    assert svg(drawn()).startswith("<svg") and svg(drawn()).rstrip().endswith("</svg>")
