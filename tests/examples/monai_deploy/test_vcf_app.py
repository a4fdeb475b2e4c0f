# SPDX-License-Identifier: Apache-2.0
"""The application in the real MONAI Deploy, on Holoscan, with the real server behind it."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.clients.ct_series import CtSeries
from tests.examples.conftest import EXAMPLES
from vcf_client import VcfClient
from vcf_server.server import TritonServer

PROGRAM = EXAMPLES / "monai_deploy" / "vcf_app.py"
VENV = EXAMPLES.parent / os.environ.get("MONAI_VENV", ".venv-monai-deploy")


def test_is_short_and_says_how_it_is_called() -> None:
    text = PROGRAM.read_text("utf-8")
    assert len(text.splitlines()) <= 60
    assert "usage: python examples/monai_deploy/vcf_app.py " in text


def run(study: Path, output: Path, server: str) -> Any:
    output.mkdir()
    (library,) = VENV.glob("lib/python3*/site-packages/nvidia/cu13/lib")
    environment = {**os.environ, "VCF_SERVER": server, "LD_LIBRARY_PATH": str(library)}
    command = [str(VENV / "bin" / "python"), str(PROGRAM), "--input", str(study), "--output", str(output)]
    done = subprocess.run(command, cwd=output, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((output / "findings.json").read_text("utf-8"))


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.skipif(not (VENV / ".ready").exists(), reason="MONAI Deploy is not installed (make monai-deploy)")
def test_findings_and_refusal(study: Path, triton_server: TritonServer, tmp_path: Path) -> None:
    found = run(study, tmp_path / "found", triton_server.grpc_url)
    with VcfClient(triton_server.grpc_url) as client:
        findings = json.loads(client.analyze(study).to_json())
    for name in ("study_score", "threshold", "positive", "patches", "flags", "centre_line_mm"):
        assert found[name] == findings[name]
    CtSeries(slices=3).write(tmp_path / "short")
    refused = run(tmp_path / "short", tmp_path / "refused", triton_server.grpc_url)
    assert refused["error"]["code"] == "TOO_SHORT" and refused["error"]["sentence"]
