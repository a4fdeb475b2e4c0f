# SPDX-License-Identifier: Apache-2.0
"""Reduced precision: what the graphs hold, how close they stay, the same bytes twice, one sentence when data lack."""

import shutil
from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")

from export import passport as written  # noqa: E402
from export.precision import to_fp16, to_int8, write_reduced  # noqa: E402
from vcf.contract import ENCODERS, FEATURE_ROWS, PATCHES  # noqa: E402
from vcf.errors import SetupError  # noqa: E402
from vcf.serve import passport  # noqa: E402

REPOSITORY = Path(__file__).resolve().parents[2] / "model_repository"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The shipped encoders."""
    for encoder in ENCODERS:
        graph = REPOSITORY / encoder.name / "1" / "model.onnx"
        if not graph.is_file():
            pytest.skip("the networks are not exported: vcf export onnx")
        there = tmp_path / encoder.name / "1" / "model.onnx"
        there.parent.mkdir(parents=True)
        shutil.copyfile(graph, there)
        written.record(there, precision="fp32", weights_sha256="w" * 64)
    return tmp_path


@pytest.fixture(scope="module")
def patches() -> np.ndarray:
    coarse = np.random.default_rng(3).random((16, 8, 8, 8), np.float32)
    return coarse.repeat(4, 1).repeat(4, 2).repeat(4, 3)[..., None]


def answer(model: onnx.ModelProto, patches: np.ndarray) -> np.ndarray:
    # As the graph says: fused to integer kernels, sums of bytes overflow on processors without VNNI.
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options)
    return session.run([FEATURE_ROWS.name], {PATCHES.name: patches})[0]


def test_fp16_and_int8_keep_names_types_and_nearly_the_values(repository: Path, patches: np.ndarray) -> None:
    plain = onnx.load(repository / ENCODERS[0].name / "1" / "model.onnx")
    expected = answer(plain, patches)
    scale = float(np.abs(expected).max())
    # int8 was within 0.1 with the weights before: no rung of the ladder without a GPU judges this graph on CTs.
    for reduced, share in ((to_fp16(plain), 0.005), (to_int8(plain, patches), 0.15)):
        for ours, theirs in ((reduced.graph.input, plain.graph.input), (reduced.graph.output, plain.graph.output)):
            assert [(t.name, t.type.tensor_type.elem_type) for t in ours] == [
                (t.name, t.type.tensor_type.elem_type) for t in theirs
            ]
        difference = np.abs(answer(reduced, patches) - expected).max()
        assert 0 < difference < share * scale


def test_fp16_weights_are_halves_and_int8_weights_are_bytes(repository: Path, patches: np.ndarray) -> None:
    plain = onnx.load(repository / ENCODERS[0].name / "1" / "model.onnx")
    halves = [t for t in to_fp16(plain).graph.initializer if len(t.dims) == 5]
    assert len(halves) == 6 and all(t.data_type == onnx.TensorProto.FLOAT16 for t in halves)
    quantised = to_int8(plain, patches)
    kernels = [t for t in quantised.graph.initializer if len(t.dims) == 5]
    assert len(kernels) == 6 and all(t.data_type == onnx.TensorProto.INT8 for t in kernels)
    points = [onnx.numpy_helper.to_array(t) for t in quantised.graph.initializer if t.name.endswith("_zero_point")]
    assert points and all(p.dtype == np.int8 and not p.any() for p in points)  # TensorRT: symmetric, signed


def test_same_bytes_twice_with_a_passport(repository: Path, patches: np.ndarray) -> None:
    for precision in ("fp16", "int8"):
        first = {p: p.read_bytes() for p in write_reduced(repository, precision, patches)}
        again = {p: p.read_bytes() for p in write_reduced(repository, precision, patches)}
        assert first == again and len(first) == len(ENCODERS)
        for path in first:
            entry = passport.read(path.parent)[path.name]
            assert entry["precision"] == precision and entry["weights_sha256"] == "w" * 64


def test_int8_without_calibration_data(repository: Path) -> None:
    for nothing in (None, np.zeros((0, *PATCHES.shape[1:]), np.float32)):
        with pytest.raises(SetupError, match="int8 needs patches of real CTs to calibrate with, and there are none"):
            list(write_reduced(repository, "int8", nothing))


def test_openvino_int8_without_calibration_data(repository: Path) -> None:
    pytest.importorskip("nncf")
    from export.openvino import quantise

    with pytest.raises(SetupError, match="int8 needs patches of real CTs"):
        list(quantise(repository, np.zeros((0, *PATCHES.shape[1:]), np.float32)))


def test_no_real_ct_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("nibabel")
    from export import calibration

    monkeypatch.setattr(calibration, "load_real_spines", lambda *_, **__: [])
    with pytest.raises(SetupError, match=r"no real CT to calibrate int8 with: .*VCF_SHARED_DATA"):
        calibration.real_patches()


@pytest.mark.slow
def test_openvino_int8_is_the_same_twice_and_stale_after_new_weights(repository: Path, patches: np.ndarray) -> None:
    pytest.importorskip("nncf")
    openvino = pytest.importorskip("openvino")
    from export.openvino import INT8, quantise
    from vcf.serve.passport import Host, problem

    first = {p: p.read_bytes() + p.with_suffix(".bin").read_bytes() for p in quantise(repository, patches)}
    again = {p: p.read_bytes() + p.with_suffix(".bin").read_bytes() for p in quantise(repository, patches)}
    assert first == again and [p.name for p in first] == [INT8] * len(ENCODERS)
    path = next(iter(first))
    expected = answer(onnx.load(path.with_name("model.onnx")), patches)
    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = compiled({PATCHES.name: patches})[FEATURE_ROWS.name]
    assert 0 < np.abs(found - expected).max() < 0.1 * np.abs(expected).max()
    nobody = Host(None, None, None)
    assert problem(path.parent, INT8, nobody) is None
    shutil.copyfile(repository / ENCODERS[1].name / "1" / "model.onnx", path.with_name("model.onnx"))
    assert "was made from other weights" in (problem(path.parent, INT8, nobody) or "")
