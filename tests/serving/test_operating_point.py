# SPDX-License-Identifier: Apache-2.0
"""A threshold is read only with the weights it was fixed with."""

import hashlib
import json

import pytest

from vcf_contract.contract import NETWORKS
from vcf_contract.errors import SetupError
from vcf_export.operating_point_writer import weights_sha256, write_operating_point
from vcf_preprocess.aggregate import AGGREGATIONS, Aggregation
from vcf_runtime import operating_point

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
    found = operating_point.read(repository, "1", MODEL)
    assert found == operating_point.OperatingPoint(0.35, weights_sha256(hashes), Aggregation())


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_the_aggregation_is_the_one_that_the_threshold_was_fixed_with(repository, aggregation):
    write_operating_point(repository, {"threshold": 0.35, "aggregation": aggregation.plain()})
    assert operating_point.read(repository, "1", MODEL).aggregation == aggregation


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
