# SPDX-License-Identifier: Apache-2.0
"""``vcf analyze`` end to end: the real server, files on disk, exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from jsonschema import Draft202012Validator

from tests.clients.ct_series import CtSeries
from vcf_cli import main
from vcf_client.findings import schema
from vcf_server.ports import free_port

if TYPE_CHECKING:
    from vcf_server.server import TritonServer


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    CtSeries(slices=60).write(folder)
    return folder


@pytest.fixture
def nowhere() -> str:
    return f"127.0.0.1:{free_port()}"


@pytest.mark.server
def test_table_json_and_report(
    triton_server: TritonServer, study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ["--json", str(tmp_path / "f.json"), "--report", str(tmp_path / "report")]
    code = main(["analyze", str(study), "--server", triton_server.grpc_url, *files])
    out = capsys.readouterr().out
    assert code == 0
    document = json.loads((tmp_path / "f.json").read_text("utf-8"))
    Draft202012Validator(schema()).validate(document)
    assert document == json.loads((tmp_path / "report" / "findings.json").read_text("utf-8"))
    assert f"study score {document['study_score']:.2f}, threshold {document['threshold']:.2f}" in out
    assert len(document["patches"]) == sum(
        line.split()[:1] == [str(n)] for n in range(1, 99) for line in out.splitlines()
    )
    assert document["notice"] in out


@pytest.mark.server
def test_json_on_standard_output_is_nothing_but_json(
    triton_server: TritonServer, study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["analyze", str(study), "--server", triton_server.grpc_url, "--json", "-"]) == 0
    Draft202012Validator(schema()).validate(json.loads(capsys.readouterr().out))


@pytest.mark.server
@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_terminal_that_is_not_utf_8(triton_server: TritonServer, study: Path, tmp_path: Path, encoding: str) -> None:
    words = [
        "-m",
        "vcf_cli",
        "analyze",
        str(study),
        "--server",
        triton_server.grpc_url,
        "--json",
        str(tmp_path / "f.json"),
    ]
    ran = subprocess.run(
        [sys.executable, *words], capture_output=True, env={**os.environ, "PYTHONIOENCODING": encoding}, timeout=600
    )
    assert ran.returncode == 0, ran.stderr
    assert "#" in ran.stdout.decode(encoding), "the bars, as plain characters"
    assert (tmp_path / "f.json").exists()


@pytest.mark.server
def test_no_patient_data_in_anything_written(
    triton_server: TritonServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    series = CtSeries(slices=60, elements={"PatientName": "Zaphod^Beeblebrox", "PatientID": "PID-4711"})
    series.write(tmp_path / "Beeblebrox")
    words = ["analyze", str(tmp_path / "Beeblebrox"), "--server", triton_server.grpc_url]
    assert main([*words, "--report", str(tmp_path / "out")]) == 0
    written = "".join(path.read_bytes().decode("latin-1") for path in (tmp_path / "out").iterdir())
    written += "".join(capsys.readouterr())
    for secret in ("Zaphod", "Beeblebrox", "PID-4711", "19500102", "20200229", series.series_uid, series.study_uid):
        assert secret not in written


def test_server_that_is_not_there_is_3(nowhere: str, study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", str(study), "--server", nowhere]) == 3
    error = capsys.readouterr().err
    assert nowhere in error and error.count("\n") == 1


def test_refused_study_is_2_with_code_and_sentence(
    nowhere: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    CtSeries(slices=60, elements={"Modality": "MR"}).write(tmp_path)
    assert main(["analyze", str(tmp_path), "--server", nowhere]) == 2
    error = capsys.readouterr().err
    assert error.startswith("vcf: study refused: NOT_CT: ") and error.count("\n") == 1


def test_age_policy_reaches_the_reader(nowhere: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    CtSeries(slices=60, elements={"PatientAge": "031Y", "PatientBirthDate": ""}).write(tmp_path)
    assert main(["analyze", str(tmp_path), "--server", nowhere, "--age-policy", "block"]) == 2
    assert "AGE_UNDER_50" in capsys.readouterr().err


def test_path_that_is_not_there_is_2(nowhere: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", "/nowhere/at/all", "--server", nowhere]) == 2
    assert "NO_IMAGES" in capsys.readouterr().err


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "soon"])
def test_deadline_must_be_a_positive_number(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main(["analyze", "x", f"--deadline={seconds}"])
    assert done.value.code == 64
    assert "--deadline" in capsys.readouterr().err
