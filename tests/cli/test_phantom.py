# SPDX-License-Identifier: Apache-2.0
import argparse
import json
from pathlib import Path

import pydicom
import pytest

from vcf_cli.options import phantom
from vcf_contract.errors import SetupError


def _run(*words: str) -> int:
    parser = argparse.ArgumentParser(prog="vcf")
    phantom.add_parser(parser.add_subparsers())
    args = parser.parse_args(["phantom", *words])
    return int(args.run(args))


def test_writes_the_series_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "study"
    words = ["--levels", "T11-L3", "--grades", "L1=2:wedge", "--spacing", "5x3", "--noise", "10", "--seed", "4"]
    assert _run(str(out), *words, "--kind", "abdomen") == 0
    said = capsys.readouterr().out
    assert "L1 grade 2 wedge" in said
    assert "synthetic abdomen CT" in said
    images = [pydicom.dcmread(f, stop_before_pixels=True) for f in sorted(out.glob("*.dcm"))]
    assert 20 < len(images) < 60
    assert {float(d.PixelSpacing[0]) for d in images} == {3.0}
    heights = sorted(float(d.ImagePositionPatient[2]) for d in images)
    assert heights[1] - heights[0] == pytest.approx(5.0, abs=1e-3)
    known = json.loads((out / "truth.json").read_text())
    assert [v["level"] for v in known["vertebrae"]] == ["T11", "T12", "L1", "L2", "L3"]
    assert [v["grade"] for v in known["vertebrae"]] == [0, 0, 2, 0, 0]


def test_healthy_on_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(str(tmp_path / "a"), "--levels", "L1-L3", "--grades", "none", "--spacing", "10x5") == 0
    assert "fractures: none" in capsys.readouterr().out


def test_a_folder_with_a_study_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "old.dcm").write_bytes(b"someone's")
    with pytest.raises(SetupError, match="already"):
        _run(str(tmp_path), "--levels", "L1-L2", "--spacing", "10x5")
    assert (tmp_path / "old.dcm").read_bytes() == b"someone's"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--grades", "L1=5"], "1, 2 or 3"),
        (["--grades", "T2=1", "--levels", "L1-L3"], "T2 lie outside the field of view L1–L3"),
        (["--levels", "L5-T1"], "range from head to feet"),
        (["--spacing", "1.0"], "not a number"),
        (["--spacing", "0.01x0.8"], "accepted"),
        (["--noise", "-1"], "0 to 200"),
        (["--seed", "-3"], "whole number"),
    ],
)
def test_wrong_words_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    with pytest.raises(SystemExit):
        _run(str(tmp_path / "x"), *words)
    assert said in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
