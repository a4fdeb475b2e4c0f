# SPDX-License-Identifier: Apache-2.0
"""``vcf analyze`` with several studies, and its options for servers that are secured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from jsonschema import Draft202012Validator

from tests.clients.ct_series import CtSeries
from vcf_cli import main
from vcf_client.findings import schema

if TYPE_CHECKING:
    from vcf_server.server import TritonServer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("studies")
    CtSeries(slices=60).write(folder / "Beeblebrox")
    CtSeries(slices=60, elements={"Modality": "MR"}).write(folder / "Dent")
    return folder


@pytest.mark.server
def test_a_row_a_study_and_the_worst_exit_code(
    triton_server: TritonServer, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = str(folder / "Beeblebrox"), str(folder / "Dent")
    words = ["analyze", good, bad, good, "--server", triton_server.grpc_url]
    assert main([*words, "--json", str(tmp_path / "all.json"), "--report", str(tmp_path / "reports")]) == 2
    out = capsys.readouterr().out
    rows = [line.split() for line in out.splitlines() if line.split()[:1] in (["1"], ["2"], ["3"])]
    assert [row[1] for row in rows] in (["fracture", "refused", "fracture"], ["no", "refused", "no"])
    assert "NOT_CT" in out
    first, second, third = json.loads((tmp_path / "all.json").read_text("utf-8"))
    for one in (first, third):
        Draft202012Validator(schema()).validate(one["findings"])
    assert (second["study"], second["error"]["code"]) == (2, "NOT_CT")
    assert sorted(path.name for path in (tmp_path / "reports").iterdir()) == ["1", "3"]
    written = out + (tmp_path / "all.json").read_text("utf-8")
    assert "Beeblebrox" not in written and "Dent" not in written


def test_server_that_is_not_there_is_3_and_others_are_still_tried(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["analyze", str(folder / "Dent"), str(folder / "Beeblebrox"), "--attempts", "1"]
    assert main([*words, "--server", "127.0.0.1:1", "--json", "-"]) == 3
    refused, failed = json.loads(capsys.readouterr().out)
    assert refused["error"]["code"] == "NOT_CT"
    assert failed["error"]["code"] == "SERVER_UNAVAILABLE" and "127.0.0.1:1" in failed["error"]["sentence"]


def usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as done:
        main(["analyze", *words])
    assert done.value.code == 64
    return capsys.readouterr().err


def test_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "key").write_text("vcf-key=s3cret\n")
    assert "--sr" in usage(["x", "y", "--sr", "z.dcm"], capsys)
    assert "go together" in usage(["x", "--tls-cert", "c.pem"], capsys)
    assert "--attempts" in usage(["x", "--attempts", "0"], capsys)
    assert "twice" in usage(["x", "--server", "a:1", "--server", "a:1"], capsys)
    said = usage(["x", "--api-key-file", str(tmp_path / "key"), "--server", "triton:8001"], capsys)
    assert "TLS" in said and "s3cret" not in said


def test_files_that_cannot_be_read_are_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", "x", "--tls-ca", str(tmp_path / "absent")]) == 1
    assert "certificate authority" in capsys.readouterr().err
    assert main(["analyze", "x", "--api-key-file", str(tmp_path / "absent")]) == 1
    assert "API key" in capsys.readouterr().err
