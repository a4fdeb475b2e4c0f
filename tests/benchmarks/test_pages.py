# SPDX-License-Identifier: Apache-2.0
"""Every committed result can be drawn from its JSON, whatever its schema, and what it found stands on its page."""

import json
import shutil

import pytest

from vcf_benchmarks.harness.page import shown
from vcf_benchmarks.harness.result import REFERENCE, Result
from vcf_benchmarks.kinds import KINDS
from vcf_benchmarks.pages import draw
from vcf_contract.errors import SetupError

COMMITTED = sorted(REFERENCE.glob("*.json"))
SAID = {
    "capacity": "Servers against load",
    "copies": "of it countable",
    "floor": "Core-seconds a study",
    "latency": "Latency against rate",
    "loadgen": "This is not an MLPerf result",
    "locust": "the load changes all the time",
    "overhead": "At saturation",
    "overload": "What became of the studies",
    "peers": "Triton over the others",
    "preprocess": "How true the resampling is",
    "sizes": "Transport crop",
    "sweep": "Forms that were measured",
    "waterfall": "As perf_analyzer splits it",
}


def test_there_is_a_committed_result_of_every_kind() -> None:
    assert {path.stem for path in COMMITTED} == set(SAID) == set(KINDS)


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_a_committed_result_is_drawn_from_its_json(path, tmp_path) -> None:
    page, *pictures = draw(path, tmp_path / "out")
    text = page.read_text("utf-8")
    assert page == tmp_path / "out" / f"{path.stem}.html"
    assert f"<h1>vcf bench {path.stem}</h1>" in text and "<svg" in text
    assert SAID[path.stem].lower() in text.lower()
    for target in json.loads(path.read_text("utf-8"))["targets"]:
        assert f"<td>{shown(target['value'])}</td>" in text
    assert all(picture.read_bytes().startswith(b"\x89PNG") for picture in pictures)
    assert bool(pictures) == (path.stem in ("copies", "waterfall"))


def test_a_page_lies_beside_its_result_unless_told_otherwise(tmp_path) -> None:
    copy = tmp_path / "mine.json"
    shutil.copy(REFERENCE / "floor.json", copy)
    assert draw(copy) == [tmp_path / "mine.html"]


def test_what_has_no_page_and_what_lacks_figures_is_said(tmp_path) -> None:
    with pytest.raises(SetupError, match="is of the kind 'stages'"):
        draw(Result("stages", {}).write(tmp_path / "stages.json"))
    with pytest.raises(SetupError, match="lacks 'studies'"):
        draw(Result("floor", {}).write(tmp_path / "floor.json"))
    assert not (tmp_path / "floor.html").exists()
