# SPDX-License-Identifier: Apache-2.0
"""The picture of a trace: order and depth of its bars."""

from pathlib import Path

from vcf_benchmarks.trace.collector import Span
from vcf_benchmarks.trace.picture import draw, in_order


def span(name: str, parent: str, start: int, end: int, service: str = "vcf-triton") -> Span:
    return Span(service, name, "t", name, parent, start * 10**6, end * 10**6, "[]")


SPANS = [
    span("model", "call", 30, 50),
    span("call", "study", 20, 60, "vcf-analyze"),
    span("study", "", 0, 100, "vcf-analyze"),
    span("read", "study", 1, 15, "vcf-analyze"),
    span("lost", "a span that did not come", 70, 80),
]


def test_each_span_stands_under_the_one_it_is_part_of() -> None:
    found = [(depth, one.name) for depth, one in in_order(SPANS)]
    assert found == [(0, "study"), (1, "read"), (1, "call"), (2, "model"), (0, "lost")]


def test_the_picture_is_written(tmp_path: Path) -> None:
    draw(SPANS, tmp_path / "trace.svg")
    text = (tmp_path / "trace.svg").read_text()
    assert "<svg" in text and len(text) > 5000
