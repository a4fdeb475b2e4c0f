# SPDX-License-Identifier: Apache-2.0
"""The page of parity checks, parsed as a browser would."""

from html.parser import HTMLParser
from pathlib import Path

import pytest

for module in ("keras", "tritonclient", "onnxruntime", "openvino"):
    pytest.importorskip(module)

from tests.export.parity_answers import REFERENCE, figures  # noqa: E402
from vcf_export.parity_page import page, write_page  # noqa: E402


class Cells(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)


def test_page(tmp_path: Path) -> None:
    path = write_page(tmp_path / "report", figures())
    found = path.read_text("utf-8")
    assert path.name == "parity.html" and found == page(figures())
    parsed = Cells()
    parsed.feed(found)
    assert parsed.tags.count("tr") == 4 and parsed.tags.count("svg") == 2
    assert parsed.tags.count("circle") == 2 * len(REFERENCE)
    assert "not run here: no GPU" in found and "not passed" in found and "http" not in found
