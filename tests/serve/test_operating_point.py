# SPDX-License-Identifier: Apache-2.0
"""A threshold is read only with the weights it was fixed with."""

import hashlib
import json

import pytest

from export.operating_point import weights_sha256, write_operating_point
from vcf.contract import NETWORKS
from vcf.errors import SetupError
from vcf.serve import operating_point

MODEL = "fracture_findings"


@pytest.fixture
def repository(tmp_path):
    for network in NETWORKS:
        path = tmp_path / network.name / "1" / "model.onnx"
        path.parent.mkdir(parents=True)
        path.write_bytes(network.name.encode())
    write_operating_point(tmp_path, {"threshold": 0.35})
    return tmp_path


def path_in(repository):
    return repository / MODEL / "1" / "operating_point.json"


def test_what_the_exporter_wrote_is_read(repository):
    hashes = {n.name: hashlib.sha256(n.name.encode()).hexdigest() for n in NETWORKS}
    assert operating_point.read(repository, "1", MODEL) == operating_point.OperatingPoint(0.35, weights_sha256(hashes))


@pytest.mark.parametrize("network", NETWORKS, ids=lambda n: n.name)
def test_other_weights_of_any_network(repository, network):
    (repository / network.name / "1" / "model.onnx").write_bytes(b"trained again")
    with pytest.raises(SetupError, match=rf"other weights than those of {network.name}/1: run `vcf export onnx`"):
        operating_point.read(repository, "1", MODEL)


def test_plans_alone_cannot_be_compared(repository):
    for network in NETWORKS:
        (repository / network.name / "1" / "model.onnx").unlink()
    assert operating_point.read(repository, "1", MODEL).threshold == 0.35


def test_network_of_another_version_is_not_compared(repository):
    newer = repository / NETWORKS[0].name / "2" / "model.onnx"
    newer.parent.mkdir()
    newer.write_bytes(b"trained again")
    operating_point.read(repository, "1", MODEL)


def test_missing(repository):
    path_in(repository).unlink()
    with pytest.raises(
        SetupError, match=r"fracture_findings/1/operating_point\.json is missing: run `vcf export onnx`"
    ):
        operating_point.read(repository, "1", MODEL)


@pytest.mark.parametrize(
    "change", [{"threshold": None}, {"threshold": "high"}, {"weights": []}, {"weights": None}, {"weights_sha256": ...}]
)
def test_broken(repository, change):
    content = json.loads(path_in(repository).read_text()) | change
    path_in(repository).write_text(json.dumps({key: value for key, value in content.items() if value is not ...}))
    with pytest.raises(SetupError, match=r"operating_point\.json cannot be read"):
        operating_point.read(repository, "1", MODEL)


def test_not_json(repository):
    path_in(repository).write_text("threshold: 0.5")
    with pytest.raises(SetupError, match=r"cannot be read \(JSONDecodeError"):
        operating_point.read(repository, "1", MODEL)


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_no_probability(repository, threshold):
    content = json.loads(path_in(repository).read_text()) | {"threshold": threshold}
    path_in(repository).write_text(json.dumps(content))
    with pytest.raises(SetupError, match="needed is one from 0 to 1"):
        operating_point.read(repository, "1", MODEL)
