# SPDX-License-Identifier: Apache-2.0
import re
from pathlib import Path

import numpy as np
import pytest

from tests.clients.ct_series import CtSeries
from tests.examples.conftest import Run
from vcf_client import VcfClient
from vcf_server.server import TritonServer

pytestmark = pytest.mark.server


def test_says_what_the_python_client_says(run: Run, study: Path, triton_server: TritonServer) -> None:
    done = run("dicom_bytes", study, triton_server.grpc_url)
    assert done.returncode == 0, done.stderr
    with VcfClient(triton_server.grpc_url, transport="volume") as client:
        findings = client.analyze(study)
    first, *patches = done.stdout.splitlines()
    assert first.startswith(f"score {findings.study_score:.2f}, threshold {findings.threshold:.2f}, ")
    assert len(patches) == len(findings.patches)
    for line, patch in zip(patches, findings.patches, strict=True):
        score, *corners = map(float, re.findall(r"-?\d+\.\d+", line))
        assert score == pytest.approx(patch.score, abs=0.006)
        np.testing.assert_allclose(np.sort(np.reshape(corners, (2, 3)), 0), patch.box_mm, atol=0.06)


def test_a_refusal_is_the_servers_sentence(run: Run, triton_server: TritonServer, tmp_path: Path) -> None:
    CtSeries(slices=60, elements={"Modality": "MR"}).write(tmp_path / "other")
    done = run("dicom_bytes", tmp_path / "other", triton_server.grpc_url)
    assert done.returncode == 1 and done.stderr.startswith("NOT_CT: ")
