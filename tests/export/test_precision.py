# SPDX-License-Identifier: Apache-2.0
"""Reduced precision: what the graphs hold, how close they stay, the same bytes twice, one sentence when data lack."""

from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from tests.export.shipped_encoder import answer, coarse_patches, encoder_alone  # noqa: E402
from vcf_contract.contract import PATCH_ENCODER, PATCHES  # noqa: E402
from vcf_contract.errors import SetupError  # noqa: E402
from vcf_export.precision import to_fp16, to_int8, write_reduced  # noqa: E402
from vcf_server import passport  # noqa: E402


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return encoder_alone(tmp_path)


@pytest.fixture(scope="module")
def patches() -> np.ndarray:
    return coarse_patches()


@pytest.mark.slow
def test_fp16_and_int8_keep_names_types_and_nearly_the_values(repository: Path, patches: np.ndarray) -> None:
    plain = onnx.load(repository / PATCH_ENCODER.name / "1" / "model.onnx")
    expected = answer(plain, patches)
    size = float(np.sqrt(np.square(expected).mean()))
    # Of noise, harder on int8 than CTs are: on those the parity checks judge it, this graph with a GPU alone.
    for reduced, share in ((to_fp16(plain), 0.005), (to_int8(plain, patches), 0.25)):
        for ours, theirs in ((reduced.graph.input, plain.graph.input), (reduced.graph.output, plain.graph.output)):
            assert [(t.name, t.type.tensor_type.elem_type) for t in ours] == [
                (t.name, t.type.tensor_type.elem_type) for t in theirs
            ]
        difference = float(np.sqrt(np.square(answer(reduced, patches) - expected).mean()))
        assert 0 < difference < share * size


def test_fp16_weights_are_halves_and_int8_weights_are_bytes(repository: Path, patches: np.ndarray) -> None:
    plain = onnx.load(repository / PATCH_ENCODER.name / "1" / "model.onnx")
    convolutions = 3 * 6  # of each member, whose flips share them
    halves = [t for t in to_fp16(plain).graph.initializer if len(t.dims) == 5]
    assert len(halves) == convolutions and all(t.data_type == onnx.TensorProto.FLOAT16 for t in halves)
    quantised = to_int8(plain, patches)
    kernels = [t for t in quantised.graph.initializer if len(t.dims) == 5]
    assert len(kernels) == convolutions and all(t.data_type == onnx.TensorProto.INT8 for t in kernels)
    points = [onnx.numpy_helper.to_array(t) for t in quantised.graph.initializer if t.name.endswith("_zero_point")]
    assert points and all(p.dtype == np.int8 and not p.any() for p in points)  # TensorRT: symmetric, signed


@pytest.mark.slow
def test_same_bytes_twice_with_a_passport(repository: Path, patches: np.ndarray) -> None:
    for precision in ("fp16", "int8"):
        path = write_reduced(repository, precision, patches)
        first = path.read_bytes()
        assert write_reduced(repository, precision, patches) == path and path.read_bytes() == first
        entry = passport.read(path.parent)[path.name]
        assert entry["precision"] == precision and entry["weights_sha256"] == "w" * 64


def test_int8_without_calibration_data(repository: Path) -> None:
    for nothing in (None, np.zeros((0, *PATCHES.shape[1:]), np.float32)):
        with pytest.raises(SetupError, match="int8 needs patches of real CTs to calibrate with, and there are none"):
            write_reduced(repository, "int8", nothing)
