# SPDX-License-Identifier: Apache-2.0
"""What every peer computes, against the served pipeline in one process on another runtime."""

import base64
import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("openvino")
pytest.importorskip("onnxruntime")

from vcf_benchmarks.harness import inprocess
from vcf_benchmarks.peers.pipeline import MIDSAGITTAL_SHAPE, MODELS, THREADS, WORKERS, Pipeline, workers
from vcf_contract import contract
from vcf_contract.errors import Code, StudyRefused
from vcf_preprocess.geometry import Volume

SPACING, LOCATION = [5.0, 4.0, 4.0], -71.0
AFFINE = np.array([[4.0, 0, 0, 0], [0, 4.0, 0, 0], [0, 0, 5.0, LOCATION], [0, 0, 0, 1]])


@pytest.fixture(scope="module")
def hu() -> np.ndarray:
    """Noise, which the tiny detector takes for a body."""
    return np.random.default_rng(5).integers(-200, 900, (45, 64, 72)).astype("<i2")


@pytest.fixture
def pipeline(tiny_repository: Path, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    for name, value in ((MODELS, str(tiny_repository)), (THREADS, "1"), (WORKERS, "3")):
        monkeypatch.setenv(name, value)
    return Pipeline.from_environment()


def test_answers_are_those_of_the_pipeline_in_one_process(
    pipeline: Pipeline, tiny_repository: Path, hu: np.ndarray
) -> None:
    found = json.loads(json.dumps(pipeline(hu.tobytes(), list(hu.shape), SPACING, LOCATION)))
    with inprocess.Pipeline(tiny_repository) as other:
        right = other.analyze(Volume(hu, (5.0, 4.0, 4.0), AFFINE))
    np.testing.assert_allclose(found[contract.PATCH_SCORES.name], right.patch_scores, atol=1e-4)
    assert found[contract.STUDY_SCORE.name] == pytest.approx(right.study_score, abs=1e-4)
    np.testing.assert_allclose(found[contract.CENTRE_LINE_MM.name], right.spine.centre_line_mm, atol=1e-2)
    picture = np.frombuffer(base64.b64decode(found[contract.MIDSAGITTAL.name]), np.int16)
    np.testing.assert_array_equal(picture.reshape(found[MIDSAGITTAL_SHAPE]), right.spine.midsagittal)
    assert workers() == 3


def test_a_study_that_the_product_refuses_is_refused(pipeline: Pipeline, hu: np.ndarray) -> None:
    with pytest.raises(StudyRefused) as refused:
        pipeline(hu[:3].tobytes(), [3, *hu.shape[1:]], SPACING, LOCATION)
    assert refused.value.code == Code.TOO_SHORT


@pytest.mark.parametrize("shape", [[45, 64, 71], [1, 2, 3]])
def test_bytes_that_are_no_such_volume(pipeline: Pipeline, hu: np.ndarray, shape: list[int]) -> None:
    with pytest.raises(ValueError, match="reshape"):
        pipeline(hu.tobytes(), shape, SPACING, LOCATION)
