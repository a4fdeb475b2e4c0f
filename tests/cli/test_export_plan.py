# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from vcf_cli import main
from vcf_contract.contract import NETWORKS


def test_plan_commands(tiny_repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "plan", "--trtexec", "--out", str(tiny_repository)]) == 0
    assert capsys.readouterr().out.count("trtexec --onnx=") == len(NETWORKS)
    assert main(["export", "plan", "--trtexec", "--precision", "fp16", "--out", str(tiny_repository)]) == 1
    assert "run `vcf export precision --to fp16` first" in capsys.readouterr().err


def test_plans_without_tensorrt(tiny_repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "plan", "--out", str(tiny_repository)]) == 1
    assert "tensorrt is not installed: build plans on a GPU host" in capsys.readouterr().err
