# SPDX-License-Identifier: Apache-2.0
"""``vcf export``: exit codes and sentences; what it writes is tested in ``tests/export``."""

import shutil
from pathlib import Path

import pytest

from vcf.cli import main
from vcf.contract import NETWORKS

ROOT = Path(__file__).resolve().parents[3]


def test_configurations_are_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there = tmp_path / "repository"
    shutil.copytree(ROOT / "model_repository", there, ignore=shutil.ignore_patterns("model.*", "__pycache__"))
    assert main(["export", "config", "--check", "--out", str(there)]) == 0
    edited = there / "patch_encoder_a" / "configs" / "cpu.pbtxt"
    edited.write_text(edited.read_text().replace("TYPE_FP32", "TYPE_FP16"))
    assert main(["export", "config", "--check", "--out", str(there)]) == 1
    said = capsys.readouterr().err
    assert "patch_encoder_a/configs/cpu.pbtxt line" in said and said.count("\n") == 1
    assert main(["export", "config", "--out", str(there)]) == 0
    assert main(["export", "config", "--check", "--out", str(there)]) == 0


def test_plan_commands(tiny_repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "plan", "--trtexec", "--out", str(tiny_repository)]) == 0
    assert capsys.readouterr().out.count("trtexec --onnx=") == len(NETWORKS)
    assert main(["export", "plan", "--trtexec", "--precision", "fp16", "--out", str(tiny_repository)]) == 1
    assert "run `vcf export precision --to fp16` first" in capsys.readouterr().err


def test_plans_without_tensorrt(tiny_repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "plan", "--out", str(tiny_repository)]) == 1
    assert "tensorrt is not installed: build plans on a GPU host" in capsys.readouterr().err


def test_weights_that_are_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tensorflow")
    assert main(["export", "onnx", "--weights", str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert "has no operating point: run `vcf train threshold" in capsys.readouterr().err


def test_python_models_are_copied(tmp_path: Path) -> None:
    from export.repository import SOURCE, copy_python_models

    copied = copy_python_models(tmp_path)
    assert {p.parents[1].name for p in copied} == {p.parents[1].name for p in SOURCE.glob("*/1/model.py")}
    assert copy_python_models(SOURCE) == []
