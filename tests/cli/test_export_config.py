# SPDX-License-Identifier: Apache-2.0
import shutil
from pathlib import Path

import pytest

from vcf_cli import main

ROOT = Path(__file__).resolve().parents[2]


def test_configurations_are_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there = tmp_path / "repository"
    shutil.copytree(ROOT / "model_repository", there, ignore=shutil.ignore_patterns("model.*", "__pycache__"))
    assert main(["export", "config", "--check", "--out", str(there)]) == 0
    edited = there / "patch_encoder" / "configs" / "cpu.pbtxt"
    edited.write_text(edited.read_text().replace("TYPE_FP32", "TYPE_FP16"))
    assert main(["export", "config", "--check", "--out", str(there)]) == 1
    said = capsys.readouterr().err
    assert "patch_encoder/configs/cpu.pbtxt line" in said and said.count("\n") == 1
    assert main(["export", "config", "--out", str(there)]) == 0
    assert main(["export", "config", "--check", "--out", str(there)]) == 0
