# SPDX-License-Identifier: Apache-2.0
"""The whole command with a real server: folders to a dataset, new weights beside the old, the page, the comparison."""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import vcf_cli
from tests.clients.ct_series import CtSeries
from vcf_client import VcfClient
from vcf_client.dicom.privacy import HASH_KEY_VARIABLE

if TYPE_CHECKING:
    from vcf_server.server import TritonServer

pytestmark = [pytest.mark.slow, pytest.mark.server]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    for number in range(4):
        elements: dict[str, object] = {"PixelSpacing": [5.5 + number / 4] * 2, "ManufacturerModelName": "Scanner 5"}
        CtSeries(study_uid=f"1.2.{number}", series_uid=f"1.2.{number}.1", elements=elements).write(folder / str(number))
    CtSeries(study_uid="1.2.9", slices=6).write(folder / "short")
    return folder


def vcf(*words: Any) -> int:
    return vcf_cli.main([str(word) for word in words])


def other_weights(repository: Path) -> None:
    """The same networks but for a head that says the opposite."""
    import onnx
    from onnx import numpy_helper

    from tests import tiny_networks
    from vcf_export.operating_point_writer import write_operating_point
    from vcf_export.passport_writer import record

    path = repository / "sequence_head" / "1" / "model.onnx"
    model = onnx.load(path)
    (projection,) = (each for each in model.graph.initializer if each.name == "projection")
    projection.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(projection), projection.name))
    path.write_bytes(model.SerializeToString())
    values = (*model.graph.input, *model.graph.output)
    record(path, precision="fp32", shapes={value.name: tiny_networks._shape(value) for value in values})
    write_operating_point(repository, {"threshold": tiny_networks.THRESHOLD})


def test_a_server_says_which_weights_it_has(triton_server: "TritonServer", archive: Path) -> None:
    with VcfClient(triton_server.grpc_url) as client:
        assert client.model_hash() == client.analyze(archive / "0").model.hash


def test_screened_once_then_by_new_weights(
    triton_server: "TritonServer",
    tiny_repository: Path,
    archive: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from vcf_server.server import TritonServer

    monkeypatch.delenv(HASH_KEY_VARIABLE, raising=False)
    out = tmp_path / "out"
    options = ("--out", out, "--workers", "2", "--pictures", "all")
    assert vcf("screen", archive, *options, "--server", triton_server.grpc_url) == 0
    assert "5 studies: 0 had a row before, 4 analysed" in capsys.readouterr().out
    rows = pd.read_parquet(out / "studies")
    with VcfClient(triton_server.grpc_url) as client:
        alone = sorted(client.analyze(archive / str(number)).study_score for number in range(4))
    assert sorted(rows["score"].dropna()) == alone
    assert sorted(rows["code"].dropna()) == ["TOO_SHORT"]
    assert set(rows["scanner"].dropna()) == {"SCANNER 5"} and set(rows["kernel"].dropna()) == {"STANDARD"}
    assert len(list((out / "pictures").glob("*.png"))) == 4

    assert vcf("screen", archive, *options, "--server", triton_server.grpc_url) == 0
    assert "5 had a row before, 0 analysed" in capsys.readouterr().out

    other = tmp_path / "other"
    shutil.copytree(tiny_repository, other)
    other_weights(other)
    with TritonServer(other) as server:
        assert vcf("screen", archive, *options, "--server", server.grpc_url) == 0
    assert "0 had a row before, 4 analysed" in capsys.readouterr().out
    rows = pd.read_parquet(out / "studies")
    assert len(rows) == 10 and rows.groupby("study")["model_hash"].nunique().tolist() == [2] * 5

    assert vcf("screen", "compare", out, "--json", tmp_path / "changes.json") == 0
    assert "TOO_SHORT" in capsys.readouterr().out
    document = json.loads((tmp_path / "changes.json").read_text())
    assert sum(each["count"] for each in document["studies"]) == 5

    assert vcf("screen", "summary", out, "--reference", out) == 0
    page = (out / "summary.html").read_text("utf-8")
    assert "TOO_SHORT" in page and "Drift from the reference" in page and page.count("data:image/png") == 4
    assert str(archive) not in page and "1.2." not in page

    ids = pd.read_parquet(out / "private" / "ids.parquet")
    joined = rows.merge(ids, on="study")
    assert set(joined["id"]) == {"1.2.0", "1.2.1", "1.2.2", "1.2.3", "1.2.9"}


def test_another_key_is_refused(
    triton_server: "TritonServer",
    archive: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from vcf_screening.archive import Archive

    monkeypatch.delenv(HASH_KEY_VARIABLE, raising=False)
    Archive(tmp_path / "out")
    monkeypatch.setenv(HASH_KEY_VARIABLE, "another")
    assert vcf("screen", archive, "--out", tmp_path / "out", "--server", triton_server.grpc_url) == 1
    assert "made with another key" in capsys.readouterr().err


def test_no_server_is_said_at_the_start(archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--server", "127.0.0.1:1", "--attempts", "1")
    assert vcf("screen", archive, "--out", tmp_path / "out", *words) == 3
    assert "127.0.0.1:1" in capsys.readouterr().err
