# SPDX-License-Identifier: Apache-2.0
"""What ships belongs together: weights, manifest, card, exported graphs and threshold."""

import json
import re
from pathlib import Path

import pytest

pytest.importorskip("tensorflow")

from vcf_export.operating_point_writer import FILES
from vcf_preprocess.aggregate import Aggregation
from vcf_training import canal_images, detector, store
from vcf_training.dataset import TEST_SEEDS

SHIPPED = ("a", "b", "c")
REPOSITORY = Path(__file__).resolve().parents[2] / "model_repository"


def figures_of(manifest: dict[str, object]) -> dict[str, float]:
    """Every number of the manifest by its path of names."""
    found: dict[str, float] = {}

    def walk(node: object, path: tuple[str, ...]) -> None:
        if isinstance(node, dict):
            for name, value in node.items():
                walk(value, (*path, name))
        elif isinstance(node, int | float):
            found[".".join(path)] = float(node)

    walk(manifest, ())
    return found


def test_weights_are_those_of_the_manifest() -> None:
    files = store.read_manifest()["files"]
    parts = [name for member in SHIPPED for name in (store.encoder_name(member), store.head_name(member))]
    assert set(files) == {f"{name}.weights.h5" for name in (store.DETECTOR_NAME, *parts)}
    assert store.member_names() == SHIPPED
    for name, digest in files.items():
        assert store.sha256((store.SHIPPED / name).read_bytes()) == digest, name


def test_card_says_what_the_manifest_says() -> None:
    """Each row of the card's table of figures names a number of the manifest and rounds it."""
    numbers = figures_of(store.read_manifest())
    rows = re.findall(r"^\| .* \| `([^`]+)` \| ([\d.]+) \|$", (store.SHIPPED / "MODEL_CARD.md").read_text(), re.M)
    assert len(rows) >= 8
    for path, shown in rows:
        decimals = len(shown.partition(".")[2])
        assert f"{numbers[path]:.{decimals}f}" == shown, path


def test_threshold_in_the_repository_is_the_manifests() -> None:
    for file in FILES:
        point = json.loads((REPOSITORY / file).read_text())
        assert point["threshold"] == store.read_manifest()["operating_point"]["threshold"]
        assert Aggregation.of(point["aggregation"]) == store.aggregation()


@pytest.mark.slow
def test_exported_graphs_are_those_of_the_weights(tmp_path: Path) -> None:
    """Exporting the shipped weights again gives the committed files, byte for byte."""
    pytest.importorskip("tf2onnx")
    from vcf_export.onnx import export_networks

    for name, path in export_networks(store.load_networks(), tmp_path).items():
        assert path.read_bytes() == (REPOSITORY / name / "1" / "model.onnx").read_bytes(), name


@pytest.mark.slow
def test_detector_finds_the_canal_of_unseen_phantoms() -> None:
    figures = detector.evaluate(store.load_detector(), canal_images.phantom_images(6, 4, TEST_SEEDS))
    assert figures["within_5_mm"] >= 0.9
    assert figures["median_error_mm"] < 2.5


def test_members_started_from_different_seeds() -> None:
    members = store.read_manifest()["members"]
    assert sorted(members) == sorted(SHIPPED)
    assert len({m["seed"] for m in members.values()}) == len(SHIPPED)
