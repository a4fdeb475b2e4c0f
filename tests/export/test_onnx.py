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

from export import onnx as onnx_export  # noqa: E402
from training import models  # noqa: E402
from training.store import Networks  # noqa: E402
from vcf.contract import FEATURES, MEMBERS, NETWORKS  # noqa: E402

BY_NAME = {m.name: m for m in NETWORKS}
TOLERANCE = 1e-5


def random_networks(seed: int) -> Networks:
    """Every weight drawn at random, biases too: converters leave zero biases out."""
    rng = np.random.default_rng(seed)

    def filled(model: keras.Model) -> keras.Model:
        for w in model.weights:
            fan_in = max(1, int(np.prod(w.shape[:-1])))
            scale = (2 / fan_in) ** 0.5 if len(w.shape) > 1 else 0.1
            w.assign(rng.normal(0, scale, w.shape))
        return model

    return Networks(
        filled(models.canal_detector(batch_norm=False)),
        {m: filled(models.patch_encoder(member=m)) for m in MEMBERS},
        {m: filled(models.sequence_head(FEATURES, member=m)) for m in MEMBERS},
    )


@pytest.fixture(scope="module")
def networks() -> Networks:
    return random_networks(0)


@pytest.fixture(scope="module")
def exported(networks: Networks, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return onnx_export.export_networks(networks, tmp_path_factory.mktemp("repository"))


def answers(network: keras.Model, path: Path, feed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    inputs = [feed[i.name] for i in network.inputs]
    core = ov.Core()
    compiled = core.compile_model(
        core.read_model(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    )
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return {
        "keras": np.asarray(network(inputs if len(inputs) > 1 else inputs[0])),
        "onnxruntime": ort.InferenceSession(path, options).run(None, feed)[0],
        "openvino": compiled(feed)[0],
    }


def assert_parity(found: dict[str, np.ndarray]) -> None:
    reference = found.pop("keras")
    scale = max(1.0, float(np.abs(reference).max()))
    for runtime, values in found.items():
        assert values.shape == reference.shape
        assert np.abs(values - reference).max() <= TOLERANCE * scale, runtime


def test_every_network_of_the_contract_is_written(exported: dict[str, Path]) -> None:
    assert list(exported) == [m.name for m in NETWORKS]
    for name, path in exported.items():
        assert path.parts[-3:] == (name, "1", "model.onnx")
        graph = onnx.load(path).graph
        assert [i.name for i in graph.input] == [t.name for t in BY_NAME[name].inputs]
        assert [o.name for o in graph.output] == [t.name for t in BY_NAME[name].outputs]


def test_varying_dimensions_are_named() -> None:
    assert onnx_export.graph_shapes(BY_NAME["patch_encoder_a"])["features"] == ("batch", FEATURES)
    assert onnx_export.graph_shapes(BY_NAME["sequence_head_a"]) == {
        "features": ("rows", FEATURES),
        "location": ("patches",),
        "patch_probability": ("flips", "patches"),
    }


@pytest.mark.parametrize("k", [2, 9, 32])
@pytest.mark.parametrize("flips", [1, 2])
def test_head_parity(networks: Networks, exported: dict[str, Path], k: int, flips: int) -> None:
    rng = np.random.default_rng(k)
    feed = {
        "features": rng.random((flips * k, FEATURES), np.float32),
        "location": np.linspace(0, 1, k, dtype=np.float32),
    }
    assert_parity(answers(networks.heads["a"], exported["sequence_head_a"], feed))


@pytest.mark.parametrize("batch", [1, 64])
def test_encoder_parity(networks: Networks, exported: dict[str, Path], batch: int) -> None:
    feed = {"patches": np.random.default_rng(batch).random((batch, 32, 32, 32, 1), np.float32)}
    assert_parity(answers(networks.encoders["b"], exported["patch_encoder_b"], feed))


@pytest.mark.parametrize("batch", [1, 20])
def test_detector_parity(networks: Networks, exported: dict[str, Path], batch: int) -> None:
    feed = {"slice_images": np.random.default_rng(batch).random((batch, 256, 256, 1), np.float32)}
    assert_parity(answers(networks.detector, exported["spinal_cord_detector"], feed))


def test_graphs_hold_plain_layers_only(exported: dict[str, Path]) -> None:
    """No Loop, If or Scan, and one native LSTM."""
    kinds = {name: [n.op_type for n in onnx.load(path).graph.node] for name, path in exported.items()}
    assert all(not {"Loop", "If", "Scan"} & set(k) for k in kinds.values())
    assert kinds["sequence_head_a"].count("LSTM") == 1
    assert kinds["patch_encoder_a"].count("Conv") == 6
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
    kernel = other.encoders["b"].weights[0]
    values = kernel.numpy()
    values.flat[0] += 1e-6
    kernel.assign(values)
    onnx_export.export_networks(other, tmp_path)
    before, after = files(next(iter(exported.values())).parents[2]), files(tmp_path)
    assert before.keys() == after.keys()
    changed = {name for name, content in after.items() if content != before[name]}
    assert changed == {"patch_encoder_b/1/model.onnx", "patch_encoder_b/1/passport.json"}
    entries = [json.loads(found["patch_encoder_b/1/passport.json"])["files"]["model.onnx"] for found in (before, after)]
    assert {key for key in entries[0] if entries[0][key] != entries[1][key]} == {"sha256", "weights_sha256"}


def test_passport_of_every_graph(networks: Networks, exported: dict[str, Path]) -> None:
    for name, path in exported.items():
        entry = json.loads(path.with_name("passport.json").read_text())["files"]["model.onnx"]
        assert entry["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert entry["weights_sha256"] == onnx_export.weights_sha256(networks.by_name()[name])
        shapes = {k: tuple(v) for k, v in entry["shapes"].items()}
        assert shapes == onnx_export.graph_shapes(BY_NAME[name])


@pytest.mark.filterwarnings("ignore:Skipping nested container")
@pytest.mark.parametrize("content", [b"", b"no HDF5", None])
def test_weights_that_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    """Empty, something else, and weights of another network."""
    from training.store import load_detector, weights_path
    from vcf.errors import SetupError

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
