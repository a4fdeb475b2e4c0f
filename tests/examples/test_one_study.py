# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from tests.clients.ct_series import CtSeries
from tests.examples.conftest import Run
from vcf_server.server import TritonServer

pytestmark = pytest.mark.server


def test_prints_the_score_and_writes_a_report(
    run: Run, study: Path, triton_server: TritonServer, tmp_path: Path
) -> None:
    done = run("one_study", study, tmp_path / "report", triton_server.grpc_url)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "report" / "findings.json").read_text("utf-8"))
    called = "positive" if found["study_score"] >= found["threshold"] else "negative"
    first, *patches = done.stdout.splitlines()
    assert first == f"score {found['study_score']:.2f}, {called}"
    reaching = [patch for patch in found["patches"] if patch["score"] >= found["threshold"]]
    assert len(patches) == (max(1, len(reaching)) if called == "positive" else 0)


def test_a_refusal_is_told_with_its_code(run: Run, triton_server: TritonServer, tmp_path: Path) -> None:
    CtSeries(slices=60, elements={"Modality": "MR"}).write(tmp_path / "other")
    done = run("one_study", tmp_path / "other", tmp_path / "report", triton_server.grpc_url)
    assert done.returncode == 1 and done.stderr.startswith("refused, NOT_CT: ")
    assert not (tmp_path / "report").exists()
