# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from tests.clients.ct_series import CtSeries
from tests.clients.gateway.fake_analyzer import FakeAnalyzer
from vcf_client.reader import read_study
from vcf_contract.contract import STAGES
from vcf_screening import rows


def test_a_row_of_findings(tmp_path: Path) -> None:
    CtSeries(elements={"ManufacturerModelName": "Model 7"}).write(tmp_path)
    study = read_study(tmp_path)
    findings = FakeAnalyzer().analyze(study)
    (row,) = rows.table([rows.analysed("ab", findings, study.acquisition)]).to_pylist()
    assert row["score"] == findings.study_score and row["positive"] == findings.positive
    assert [patch["score"] for patch in row["patches"]] == [patch.score for patch in findings.patches]
    assert row["scanner"] == "MODEL 7" and row["kernel"] == "STANDARD" and row["thickness_mm"] == 5.0
    assert row["model_hash"] == findings.model.hash and row["code"] is None and row["fetch_ms"] is None
    said = " ".join(map(str, row.values()))
    assert not [secret for secret in ("Müller", "19500102", "20200229", study.selection[0]) if secret in said]


def test_where_the_time_went() -> None:
    ms = {"read": 1.0, "prepare": 2.0, "scout": 3.0, "network": 4.0, STAGES[1]: 5.0, STAGES[2]: 6.0}
    assert rows.timings(ms) == {"read_ms": 1.0, "send_ms": 2.0, "wait_ms": 7.0, "server_ms": 11.0}


@pytest.mark.parametrize(
    ("text", "kept"),
    [("B30f", "B30f"), ("  SOMATOM Force ", "SOMATOM Force"), ("a\nb;é<c>", "abc"), ("x" * 99, "x" * 40)],
)
def test_names_of_scanners_are_cut_to_what_they_are_made_of(text: str, kept: str) -> None:
    assert rows.word(text) == kept
