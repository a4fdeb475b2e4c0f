# SPDX-License-Identifier: Apache-2.0
import csv
from pathlib import Path

import pytest

from tests.examples.conftest import Run
from vcf_client import VcfClient
from vcf_server.server import TritonServer

pytestmark = pytest.mark.server


def test_rows_are_those_near_the_threshold_and_a_failure_is_one_row(
    run: Run, study: Path, triton_server: TritonServer, tmp_path: Path
) -> None:
    table = tmp_path / "findings.csv"
    done = run("many_studies", table, triton_server.grpc_url, study, tmp_path / "nothing", study)
    assert done.returncode == 0, done.stderr
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    with VcfClient(triton_server.grpc_url) as client:
        findings = client.analyze(study)
    near = [patch for patch in findings.patches if patch.score >= findings.threshold - 0.1]
    by_study = {number: [row for row in rows if row["study"] == number] for number in ("0", "1", "2")}
    assert [row["outcome"] for row in by_study["1"]] == ["NO_IMAGES"]
    assert by_study["0"] == [row | {"study": "0"} for row in by_study["2"]]
    assert len(by_study["0"]) == max(1, len(near))
    assert {row["study_score"] for row in by_study["0"]} == {str(round(findings.study_score, 3))}
    assert [float(row["patch_score"]) for row in by_study["0"] if row["patch_score"]] == pytest.approx(
        [patch.score for patch in near], abs=1e-3
    )
