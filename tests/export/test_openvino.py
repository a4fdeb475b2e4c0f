# SPDX-License-Identifier: Apache-2.0
"""int8 for OpenVINO, calibrated with patches."""

import shutil
from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from tests.export.shipped_encoder import REPOSITORY, answer, coarse_patches, encoder_alone  # noqa: E402
from vcf_contract.contract import FEATURE_ROWS, PATCHES, SEQUENCE_HEAD  # noqa: E402
from vcf_contract.errors import SetupError  # noqa: E402


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return encoder_alone(tmp_path)


@pytest.fixture(scope="module")
def patches() -> np.ndarray:
    return coarse_patches()


def test_openvino_int8_without_calibration_data(repository: Path) -> None:
    pytest.importorskip("nncf")
    from vcf_export.openvino import quantise

    with pytest.raises(SetupError, match="int8 needs patches of real CTs"):
        quantise(repository, np.zeros((0, *PATCHES.shape[1:]), np.float32))


@pytest.mark.slow
def test_openvino_int8_is_the_same_twice_and_stale_after_new_weights(repository: Path, patches: np.ndarray) -> None:
    pytest.importorskip("nncf")
    openvino = pytest.importorskip("openvino")
    from vcf_export.openvino import INT8, quantise
    from vcf_server.passport import Host, problem

    def quantised() -> tuple[Path, bytes]:
        path = quantise(repository, patches)
        return path, path.read_bytes() + path.with_suffix(".bin").read_bytes()

    path, first = quantised()
    assert quantised() == (path, first) and path.name == INT8
    expected = answer(onnx.load(path.with_name("model.onnx")), patches)
    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = compiled({PATCHES.name: patches})[FEATURE_ROWS.name]
    # Of all values together: ranges may cut off the largest ones, which are few.
    assert 0 < np.sqrt(((found - expected) ** 2).mean() / (expected**2).mean()) < 0.1
    nobody = Host(None, None, None)
    assert problem(path.parent, INT8, nobody) is None
    shutil.copyfile(REPOSITORY / SEQUENCE_HEAD.name / "1" / "model.onnx", path.with_name("model.onnx"))
    assert "was made from other weights" in (problem(path.parent, INT8, nobody) or "")
