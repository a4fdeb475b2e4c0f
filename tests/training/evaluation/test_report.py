# SPDX-License-Identifier: Apache-2.0
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.training.evaluation.made import case, explanation, mixed, refused, vertebra
from vcf_training.evaluation.cases import Changed
from vcf_training.evaluation.figures import figures
from vcf_training.evaluation.graded import per_vertebra
from vcf_training.evaluation.report import render, write_report
from vcf_training.evaluation.robustness import of_changes

POINTS = {"served": {"threshold": 0.45, "rule": "lowest threshold with specificity >= 0.95 on tuning studies"}}
HEAD = {"meaning": "made by hand", "recipe": {"first_seed": 900000}, "weights": "0" * 64, "left_out": 0}


class Page(HTMLParser):
    """Tags that open and close, and what a browser would fetch."""

    VOID = ("meta", "img", "br", "link", "path", "use", "circle", "rect", "line")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href", "data", "srcset")]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def phantom_page() -> tuple[dict[str, Any], str]:
    cases = [*mixed(40), refused(99)]
    document = {"data": "phantom-test", "synthetic": True} | HEAD | figures(cases, POINTS)
    return document, render(document, cases)


def test_page_is_whole_and_fetches_nothing() -> None:
    _, text = phantom_page()
    page = Page(text)
    assert page.open == []
    assert page.fetched
    assert all(target.startswith(("data:image/jpeg;base64,", "#")) for target in page.fetched)


@pytest.mark.slow
def test_page_says_synthetic_and_shows_the_figures_of_the_json() -> None:
    document, text = phantom_page()
    words = re.sub(r"\s+", " ", Page(text).words)
    assert "Synthetic." in words
    for name in ("study_auc", "sensitivity", "specificity", "height_baseline_auc"):
        assert f"{document[name]:.3f}" in words, name
    assert "SPINE_NOT_FOUND" in words
    assert "0.955" in words
    assert "its own patients" in words
    assert "cannot be ranked" in words
    for heading in (
        "Calibration",
        "Subgroups",
        "Predictive values",
        "Do the boxes lie on the fractures?",
        "TP:",
        "FN:",
    ):
        assert heading in words, heading


def read(use: str, label: str = "read by nobody") -> dict[str, Any]:
    """Traits of a real CT."""
    return {"use": use, "label": label, "slice_mm": 2.5, "noise_hu": 12.0}


def test_real_studies_are_listed_with_the_reason_of_a_call() -> None:
    cases = [
        case(0, 0.2, traits=read("held out"), remark="no fracture seen", flags=("METAL",), levels_found=("L3",)),
        case(1, 0.7, traits=read("trained on"), explanation=explanation()),
        case(2, 0.6, 2, traits=read("tuned on", "graded by radiologists"), vertebrae=(vertebra("T12", 170.0, 2),)),
    ]
    canal = {"within_mm": 5.0, "paper_share": 0.9899, "sources": []}
    row = {"slices": 10, "missed": 0, "within": 1.0, "within_interval": [0.7, 1.0]}
    row |= {"median_mm": 1.0, "p95_mm": 2.0, "max_mm": 3.0}
    document = {"data": "real", "synthetic": False, "canal": canal | {"all": row, "held_out": row}}
    document["graded"] = per_vertebra(cases[2:], 0.45)
    words = re.sub(r"\s+", " ", Page(render(document | HEAD | figures(cases, POINTS), cases)).words)
    assert "number 1 of 4 from the head; it shows: T11, T12" in words
    assert "lowermost quarter, foremost quarter: by 0.30" in words
    assert "100.0 %" in words
    assert "Synthetic." not in words
    assert "grade 2, graded by radiologists" in words
    assert "T1220.600 hit" in words, "the cells of a row"
    assert "L3METAL" in words


def test_changes_stand_with_the_pictures_of_the_largest() -> None:
    moved = case(0, 0.6, traits=read("held out"))
    cases = [replace(case(0, 0.2), changed=(Changed("tilt", "+20°", 0.6, None, 0.2, moved),))]
    document = {"data": "real", "synthetic": False, "robustness": of_changes(cases, 0.45)}
    cases[0] = replace(cases[0], traits=read("held out"))
    page = Page(render(document | HEAD | figures(cases, POINTS), cases))
    words = re.sub(r"\s+", " ", page.words)
    assert page.open == []
    assert "tilt, +20°: 0.600" in words
    assert "study-00.2000.400 tilt, +20°0.600 100.0 %" in words


def test_text_of_a_study_is_no_markup() -> None:
    cases = [case(0, 0.2, traits=read("held out"), remark="<script>alert(1)</script>")]
    document = {"data": "real", "synthetic": False} | HEAD | figures(cases, POINTS)
    assert "<script>" not in render(document, cases)


def test_written_where_it_is_said(tmp_path: Path) -> None:
    cases = mixed(10)
    document = {"data": "phantom-test", "synthetic": True} | HEAD | figures(cases, POINTS)
    path = write_report(document, cases, tmp_path / "new" / "folder")
    assert path.read_text().startswith("<!doctype html>")
