# SPDX-License-Identifier: Apache-2.0
"""The exported graphs answer like Keras in both CPU runtimes, and the same weights give the same bytes."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

keras = pytest.importorskip("keras")
ort = pytest.importorskip("onnxruntime")
ov = pytest.importorskip("openvino")
onnx = pytest.importorskip("onnx")

from tests import random_members  # noqa: E402
from vcf_contract.contract import NETWORKS  # noqa: E402
from vcf_contract.spec import PATCH  # noqa: E402
from vcf_export import onnx as onnx_export  # noqa: E402
from vcf_preprocess.aggregate import Aggregation  # noqa: E402
from vcf_training import models  # noqa: E402
from vcf_training.store import Networks  # noqa: E402

BY_NAME = {m.name: m for m in NETWORKS}
TOLERANCE = 1e-5
WIDTH = 2048
"""Features of a patch of 32³ voxels by one member under one flip."""
FEATURES = 3 * 2 * WIDTH


def random_networks(seed: int) -> Networks:
    """Every weight drawn at random, biases too: converters leave zero biases out."""
    detector = models.canal_detector(batch_norm=False)
    random_members.randomise(detector, np.random.default_rng(seed))
    return Networks.of(detector, random_members.members([("lstm", PATCH)] * 3, seed), Aggregation())


@pytest.fixture(scope="module")
def networks() -> Networks:
    return random_networks(0)


@pytest.fixture(scope="module")
def exported(networks: Networks, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return onnx_export.export_networks(networks, tmp_path_factory.mktemp("repository"))


def answers(network: keras.Model, path: Path, feed: dict[str, np.ndarray]) -> dict[str, list[np.ndarray]]:
    inputs = [feed[i.name] for i in network.inputs]
    core = ov.Core()
    compiled = core.compile_model(
        core.read_model(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    )
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    reference = network(inputs if len(inputs) > 1 else inputs[0])
    return {
        "keras": list(map(np.asarray, reference if isinstance(reference, list) else [reference])),
        "onnxruntime": ort.InferenceSession(path, options).run(None, feed),
        "openvino": list(compiled(feed).values()),
    }


def assert_parity(found: dict[str, list[np.ndarray]]) -> None:
    reference = found.pop("keras")
    for runtime, outputs in found.items():
        for values, expected in zip(outputs, reference, strict=True):
            scale = max(1.0, float(np.abs(expected).max()))
            assert values.shape == expected.shape
            assert np.abs(values - expected).max() <= TOLERANCE * scale, runtime


def test_every_network_of_the_contract_is_written(exported: dict[str, Path]) -> None:
    assert list(exported) == [m.name for m in NETWORKS]
    for name, path in exported.items():
        assert path.parts[-3:] == (name, "1", "model.onnx")
        graph = onnx.load(path).graph
        assert [i.name for i in graph.input] == [t.name for t in BY_NAME[name].inputs]
        assert [o.name for o in graph.output] == [t.name for t in BY_NAME[name].outputs]


def test_varying_dimensions_are_named(networks: Networks) -> None:
    assert onnx_export.graph_shapes(networks.patch_encoder, BY_NAME["patch_encoder"])["features"] == ("batch", FEATURES)
    assert onnx_export.graph_shapes(networks.sequence_head, BY_NAME["sequence_head"]) == {
        "features": ("patches", FEATURES),
        "location": ("patches",),
        "patch_probability": (3, 2, "patches"),
        "study_probability": (3, 2),
    }


def test_a_network_that_is_not_the_contracts_is_refused(networks: Networks) -> None:
    with pytest.raises(ValueError, match=r"spinal_cord_detector has slice_images .* needed is patches"):
        onnx_export.graph_shapes(networks.detector, BY_NAME["patch_encoder"])


@pytest.mark.parametrize("k", [2, 9, 32])
def test_head_parity(networks: Networks, exported: dict[str, Path], k: int) -> None:
    rng = np.random.default_rng(k)
    feed = {"features": rng.random((k, FEATURES), np.float32), "location": np.linspace(0, 1, k, dtype=np.float32)}
    assert_parity(answers(networks.sequence_head, exported["sequence_head"], feed))


@pytest.mark.parametrize("batch", [1, 16])
def test_encoder_parity(networks: Networks, exported: dict[str, Path], batch: int) -> None:
    feed = {"patches": np.random.default_rng(batch).random((batch, 32, 32, 32, 1), np.float32)}
    assert_parity(answers(networks.patch_encoder, exported["patch_encoder"], feed))


@pytest.mark.parametrize("batch", [1, 20])
def test_detector_parity(networks: Networks, exported: dict[str, Path], batch: int) -> None:
    feed = {"slice_images": np.random.default_rng(batch).random((batch, 256, 256, 1), np.float32)}
    assert_parity(answers(networks.detector, exported["spinal_cord_detector"], feed))


def test_graphs_hold_plain_layers_only(exported: dict[str, Path]) -> None:
    """No Loop, If or Scan, one native LSTM a member, and one set of convolutions a member for both flips."""
    kinds = {name: [n.op_type for n in onnx.load(path).graph.node] for name, path in exported.items()}
    assert all(not {"Loop", "If", "Scan"} & set(k) for k in kinds.values())
    assert kinds["sequence_head"].count("LSTM") == 3
    assert kinds["patch_encoder"].count("Conv") == 3 * 6
    kernels = [t for t in onnx.load(exported["patch_encoder"]).graph.initializer if len(t.dims) == 5]
    assert len(kernels) == 3 * 6
    assert "BatchNormalization" not in kinds["spinal_cord_detector"]


def test_same_weights_same_bytes(networks: Networks, exported: dict[str, Path], tmp_path: Path) -> None:
    """A second set of models with these weights, named afresh by Keras, exports to the same files."""
    again = random_networks(0)
    for name, path in onnx_export.export_networks(again, tmp_path).items():
        digests = {hashlib.sha256(p.read_bytes()).hexdigest() for p in (path, exported[name])}
        assert len(digests) == 1, name
    assert not list(tmp_path.rglob("*.part"))


def files(repository: Path) -> dict[str, bytes]:
    return {str(p.relative_to(repository)): p.read_bytes() for p in repository.rglob("*") if p.is_file()}


def test_one_weight_changes_its_graph_its_passport_and_nothing_else(
    networks: Networks, exported: dict[str, Path], tmp_path: Path
) -> None:
    other = random_networks(0)
    kernel = other.members[1].encoder.weights[0]
    values = kernel.numpy()
    values.flat[0] += 1e-6
    kernel.assign(values)
    onnx_export.export_networks(other, tmp_path)
    before, after = files(next(iter(exported.values())).parents[2]), files(tmp_path)
    assert before.keys() == after.keys()
    changed = {name for name, content in after.items() if content != before[name]}
    assert changed == {"patch_encoder/1/model.onnx", "patch_encoder/1/passport.json"}
    entries = [json.loads(found["patch_encoder/1/passport.json"])["files"]["model.onnx"] for found in (before, after)]
    assert {key for key in entries[0] if entries[0][key] != entries[1][key]} == {"sha256", "weights_sha256"}


def test_passport_of_every_graph(networks: Networks, exported: dict[str, Path]) -> None:
    for name, path in exported.items():
        entry = json.loads(path.with_name("passport.json").read_text())["files"]["model.onnx"]
        assert entry["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert entry["weights_sha256"] == onnx_export.weights_sha256(networks.by_name()[name])
        shapes = {k: tuple(v) for k, v in entry["shapes"].items()}
        assert shapes == onnx_export.graph_shapes(networks.by_name()[name], BY_NAME[name])


@pytest.mark.filterwarnings("ignore:Skipping nested container")
@pytest.mark.parametrize("content", [b"", b"no HDF5", None])
def test_weights_that_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    """Empty, something else, and weights of another network."""
    from vcf_contract.errors import SetupError
    from vcf_training.store import load_detector, weights_path

    path = weights_path(tmp_path, "spinal_cord_detector")
    if content is None:
        models.patch_encoder().save_weights(path)
    else:
        path.write_bytes(content)
    with pytest.raises(
        SetupError, match=r"the weights spinal_cord_detector\.weights\.h5 in .* cannot be read \("
    ) as caught:
        load_detector(tmp_path)
    assert "\n" not in str(caught.value)
    path.unlink()
    with pytest.raises(SetupError, match=r"no weights spinal_cord_detector\.weights\.h5"):
        load_detector(tmp_path)
