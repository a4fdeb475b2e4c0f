# SPDX-License-Identifier: Apache-2.0
"""``vcf export``: exit codes and sentences; what it writes is tested in ``tests/export``."""

from pathlib import Path

import pytest

from vcf_cli import main


def test_weights_that_are_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tensorflow")
    assert main(["export", "onnx", "--weights", str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert "has no operating point: run `vcf train threshold" in capsys.readouterr().err


def test_python_models_are_copied(tmp_path: Path) -> None:
    from vcf_export.python_models import SOURCE, copy_python_models

    copied = copy_python_models(tmp_path)
    assert {p.parents[1].name for p in copied} == {p.parents[1].name for p in SOURCE.glob("*/1/model.py")}
    assert copy_python_models(SOURCE) == []
