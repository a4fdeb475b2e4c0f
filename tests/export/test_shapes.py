# SPDX-License-Identifier: Apache-2.0
"""Shapes of the passports, as configurations need them."""

import json
from pathlib import Path

import pytest

from vcf_contract.contract import FEATURE_ROWS, NETWORKS, PATCH_ENCODER, SEQUENCE_HEAD
from vcf_contract.errors import SetupError
from vcf_export.shapes import exported_shapes

ROOT = Path(__file__).resolve().parents[2]


def write(repository: Path, network: str, shapes: object) -> Path:
    folder = repository / network / "1"
    folder.mkdir(parents=True)
    (folder / "passport.json").write_text(json.dumps({"files": {"model.onnx": {"sha256": "0", "shapes": shapes}}}))
    return folder / "passport.json"


def test_nothing_exported_is_nothing_known(tmp_path: Path) -> None:
    assert exported_shapes(tmp_path) == {}


def test_the_batch_is_left_out_where_there_is_one_and_names_vary(tmp_path: Path) -> None:
    write(tmp_path, PATCH_ENCODER.name, {"features": ["batch", 24]})
    write(tmp_path, SEQUENCE_HEAD.name, {"features": ["patches", 24], "location": ["patches"]})
    assert exported_shapes(tmp_path) == {
        (PATCH_ENCODER.name, "features"): (24,),
        (SEQUENCE_HEAD.name, "features"): (-1, 24),
        (SEQUENCE_HEAD.name, "location"): (-1,),
    }


def test_the_shipped_networks_agree_on_the_features() -> None:
    found = exported_shapes(ROOT / "model_repository")
    assert {network for network, _ in found} == {network.name for network in NETWORKS}
    (encoder,), (_, head) = (found[model.name, FEATURE_ROWS.name] for model in (PATCH_ENCODER, SEQUENCE_HEAD))
    assert encoder == head > 0


def test_a_broken_passport_is_said(tmp_path: Path) -> None:
    write(tmp_path, PATCH_ENCODER.name, {}).write_text("{")
    with pytest.raises(SetupError, match=r"patch_encoder/1/passport\.json cannot be read"):
        exported_shapes(tmp_path)
