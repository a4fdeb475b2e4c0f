# SPDX-License-Identifier: Apache-2.0
"""``vcf compare``: two servers, one of which has other weights."""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.clients.ct_series import CtSeries
from vcf_cli import main

if TYPE_CHECKING:
    from vcf_server.server import TritonServer


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("series")
    CtSeries(slices=60).write(folder)
    return folder


@pytest.mark.server
def test_one_server_agrees_with_itself(
    triton_server: "TritonServer", study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address = triton_server.grpc_url
    assert main(["compare", address, f"dns:///{address}", str(study)]) == 0
    said = capsys.readouterr().out
    assert "both answer with the same weights" in said
    assert "+0.000" in said and "1 of 1 studies compared, 0 decided differently" in said


@pytest.mark.server
@pytest.mark.slow
def test_another_release_of_models_is_told_apart(
    triton_server: "TritonServer",
    tiny_repository: Path,
    study: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The same networks under another threshold and hash."""
    from tests import tiny_networks
    from vcf_server.server import TritonServer

    other = tiny_networks.repository(tmp_path / "other")
    point = other / "fracture_findings" / "1" / "operating_point.json"
    document = json.loads(point.read_text())
    found = _keys(document, "threshold")
    found["threshold"] = 1.0 if found["threshold"] < 0.5 else 0.0
    point.write_text(json.dumps(document))
    written = tmp_path / "both.json"
    with TritonServer(other) as second:
        words = ["compare", triton_server.grpc_url, second.grpc_url, str(study), str(study), "--json", str(written)]
        assert main(words) == 0
    rows = json.loads(written.read_text())
    assert [row["study"] for row in rows] == [1, 2]
    for row in rows:
        assert row["a"]["study_score"] == pytest.approx(row["b"]["study_score"], abs=1e-6)
        assert row["a"]["threshold"] != row["b"]["threshold"]
    assert "2 of 2 studies compared" in capsys.readouterr().out


def _keys(document: dict[str, object], name: str) -> dict[str, float]:
    """The part of a document that has a key."""
    if name in document:
        return document  # type: ignore[return-value]
    return next(_keys(part, name) for part in document.values() if isinstance(part, dict))


@pytest.mark.server
def test_a_side_that_is_not_there_is_named(
    triton_server: "TritonServer", study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["compare", triton_server.grpc_url, "127.0.0.1:1", str(study), "--attempts", "1", "--deadline", "5"]
    assert main(words) == 3
    said = capsys.readouterr().out
    assert "B " in said and "0 of 1 studies compared" in said


def test_a_study_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(tmp_path)
    assert main(["compare", "127.0.0.1:1", "127.0.0.1:2", str(tmp_path)]) == 2
    assert "0 of 1" in capsys.readouterr().out
