# SPDX-License-Identifier: Apache-2.0
"""The report on disk and the page as a browser's parser sees it."""

import base64
import json
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from PIL import Image

from vcf_client import Findings
from vcf_client.findings import schema
from vcf_client.flags import MEANING, meaning
from vcf_client.report import STAGES, render, waterfall, write_report
from vcf_contract import contract
from vcf_contract.errors import Code


class Page(HTMLParser):
    """Tags, attributes and text of a page, with its elements checked to be closed in order."""

    VOID = frozenset({"meta", "img", "rect", "line", "link"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.text.append(data.strip())

    def words(self) -> str:
        return " ".join(filter(None, self.text))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def page(findings: Findings) -> Page:
    return Page(render(findings, b"\x89PNG"))


def test_three_files(findings: Findings, tmp_path: Path) -> None:
    written = write_report(findings, tmp_path / "new" / "demo")
    folder = tmp_path / "new" / "demo"
    assert sorted(p.name for p in folder.iterdir()) == ["findings.json", "midsagittal.png", "report.html"]
    document = json.loads((folder / "findings.json").read_text("utf-8"))
    Draft202012Validator(schema()).validate(document)
    assert document["timings_ms"]["report"] == pytest.approx(written.timings_ms["report"], abs=0.01) != 0
    assert replace(written, timings_ms=findings.timings_ms) == findings


def test_page_needs_nothing_from_elsewhere(findings: Findings, tmp_path: Path) -> None:
    write_report(findings, tmp_path)
    html = (tmp_path / "report.html").read_text("utf-8")
    page = Page(html)
    assert {"script", "link", "iframe", "object"} & {tag for tag, _ in page.tags} == set()
    assert "@import" not in html and "url(" not in html and "http:" not in html and "https:" not in html
    (picture,) = page.all("img")
    kind, data = (picture["src"] or "").split(",")
    assert kind == "data:image/png;base64"
    with Image.open(BytesIO(base64.b64decode(data))) as inside, Image.open(tmp_path / "midsagittal.png") as beside:
        assert inside.tobytes() == beside.tobytes()
    assert {a["href"] for a in page.all("a")} == {"findings.json"}


def test_page_says_what_was_found(page: Page) -> None:
    words = page.words()
    assert "Fracture suspected" in words
    assert "Study score 0.75" in words and "threshold of 0.40" in words
    assert "3 marked" in words and "1 marked" not in words
    assert "0f" * 32 in words


def test_negative_page(findings: Findings) -> None:
    words = Page(render(replace(findings, threshold=0.9), b"")).words()
    assert "No fracture suspected" in words and "marked" not in words


def test_page_warns_at_its_top_and_its_foot(page: Page, findings: Findings) -> None:
    assert page.words().count(findings.notice) == 2
    assert any(attributes.get("role") == "note" for _, attributes in page.tags)


def test_page_is_accessible(page: Page) -> None:
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("h1")) == 1 and len(page.all("main")) == 1
    assert all(len(picture["alt"] or "") > 40 for picture in page.all("img"))
    assert all("aria-hidden" in svg or svg.get("aria-label") for svg in page.all("svg"))
    assert all("scope" in head for head in page.all("th"))
    assert len(page.all("table")) == len(page.all("caption")) == 2


def test_every_flag_has_its_sentence(findings: Findings) -> None:
    words = Page(render(replace(findings, flags=tuple(map(str, MEANING))), b"")).words()
    for flag in MEANING:
        assert flag in words and meaning(flag).split(".")[0] in words


def test_flags_that_the_server_can_raise_are_explained() -> None:
    for flag in (Code.CANAL_INTERPOLATED, Code.CANAL_EXTRAPOLATED, Code.SPINE_SHORTENED):
        assert flag in MEANING


def test_flag_of_a_newer_server_is_shown_all_the_same(findings: Findings) -> None:
    words = Page(render(replace(findings, flags=("SPINE_UPSIDE_DOWN",)), b"")).words()
    assert "SPINE_UPSIDE_DOWN" in words and "no explanation" in words


def test_text_from_elsewhere_is_escaped(findings: Findings) -> None:
    html = render(replace(findings, selection=("<script>alert(1)</script>",)), b"")
    assert "<script>" not in html and "&lt;script&gt;" in html


def test_waterfall_is_a_partition_of_the_whole() -> None:
    bars = waterfall({"read": 50.0, "network": 25.0, "report": 25.0})
    assert [(bar.start, bar.share) for bar in bars] == [(0.0, 50.0), (50.0, 25.0), (75.0, 25.0)]
    assert waterfall({"read": 0.0})[0].share == 0.0


def test_every_stage_has_a_name() -> None:
    assert set(contract.STAGES) <= set(STAGES)
