# SPDX-License-Identifier: Apache-2.0
import hashlib
import json
from pathlib import Path

import pytest

from vcf_contract.contract import NETWORKS
from vcf_contract.errors import SetupError
from vcf_export.operating_point_writer import FILES, weights_sha256, write_operating_point


def repository(folder: Path) -> Path:
    for network in NETWORKS:
        path = folder / network.name / "1" / "model.onnx"
        path.parent.mkdir(parents=True)
        path.write_bytes(network.name.encode())
    return folder


def test_writes_threshold_and_hashes(tmp_path: Path) -> None:
    path = write_operating_point(repository(tmp_path), {"threshold": 0.4, "rule": "Youden"})
    assert path == tmp_path / FILES[0]
    assert {(tmp_path / file).read_bytes() for file in FILES} == {path.read_bytes()}
    content = json.loads(path.read_text())
    assert content["threshold"] == 0.4
    assert content["operating_point"]["rule"] == "Youden"
    assert set(content["weights"]) == {m.name for m in NETWORKS}
    name = NETWORKS[0].name
    assert content["weights"][name] == hashlib.sha256(name.encode()).hexdigest()
    assert content["weights_sha256"] == weights_sha256(content["weights"])


def test_overall_hash_depends_on_every_network_and_on_no_order() -> None:
    hashes = {"a": "1", "b": "2"}
    assert weights_sha256(hashes) == weights_sha256({"b": "2", "a": "1"})
    assert len({weights_sha256(h) for h in (hashes, {"a": "1", "b": "3"}, {"a": "2", "b": "1"})}) == 3


@pytest.mark.parametrize("threshold", [-0.1, 1.5, float("nan")])
def test_refuses_a_threshold_that_is_no_probability(tmp_path: Path, threshold: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        write_operating_point(repository(tmp_path), {"threshold": threshold})


def test_names_the_missing_network(tmp_path: Path) -> None:
    repository(tmp_path)
    (tmp_path / "sequence_head" / "1" / "model.onnx").unlink()
    with pytest.raises(SetupError, match=r"sequence_head/1/model\.onnx"):
        write_operating_point(tmp_path, {"threshold": 0.5})
