# SPDX-License-Identifier: Apache-2.0
"""The last step, with a stand-in for Triton's stub."""

import json
import shutil
import time

import numpy as np
import pytest

pytest.importorskip("tritonclient.grpc")
pytest.importorskip("onnx")

from tests import fake_stub as stub
from tests.model_repository.steps import assert_fits_contract, load, respond
from vcf_contract.contract import (
    CLOCK,
    FRACTURE_FINDINGS,
    PATCH_PROBABILITY,
    STAGES,
    STUDY_PROBABILITY,
)
from vcf_export.operating_point_writer import write_operating_point
from vcf_preprocess.aggregate import NOT_LEARNED, Aggregation


@pytest.fixture(scope="module")
def findings(tiny_repository):
    return load(FRACTURE_FINDINGS, tiny_repository)


def findings_inputs(probabilities, clock_ns=(0, 0)):
    learned = np.full(np.shape(probabilities)[:2], NOT_LEARNED)
    return {PATCH_PROBABILITY.name: probabilities, STUDY_PROBABILITY.name: learned, CLOCK.name: clock_ns}


def test_findings_average_members_and_flips(findings):
    probabilities = np.random.default_rng(0).random((5, 2, 7), np.float32)
    arrays = respond(findings, FRACTURE_FINDINGS, findings_inputs(probabilities)).arrays()
    assert_fits_contract(FRACTURE_FINDINGS, arrays)
    mean = probabilities.mean((0, 1))
    np.testing.assert_allclose(arrays["patch_probabilities"], mean, rtol=1e-6)
    inner = (mean[:-2] + 2 * mean[1:-1] + mean[2:]) / 4
    np.testing.assert_allclose(arrays["patch_scores"][1:-1], inner, rtol=1e-6)
    assert arrays["study_score"][0] == arrays["patch_scores"].max()


def test_findings_average_scores_where_the_weights_ask_for_it(tiny_repository, tmp_path):
    """One member has learned its F_agg, the other's is the largest probability."""
    for model in ("spinal_cord_detector", "patch_encoder", "sequence_head", "fracture_findings"):
        shutil.copytree(tiny_repository / model, tmp_path / model)
    point = {"threshold": 0.3, "aggregation": Aggregation("scores", None).plain()}
    write_operating_point(tmp_path, point)
    probabilities = np.random.default_rng(0).random((2, 2, 7), np.float32)
    inputs = findings_inputs(probabilities) | {STUDY_PROBABILITY.name: [[0.2, 0.4], [NOT_LEARNED, NOT_LEARNED]]}
    arrays = respond(load(FRACTURE_FINDINGS, tmp_path), FRACTURE_FINDINGS, inputs).arrays()
    expected = (0.2 + 0.4 + probabilities[1].max(-1).sum()) / 4
    assert arrays["study_score"][0] == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(arrays["patch_scores"], probabilities.mean((0, 1)), rtol=1e-6)


def test_findings_carry_the_operating_point(findings, tiny_repository):
    content = json.loads((tiny_repository / FRACTURE_FINDINGS.name / "1" / "operating_point.json").read_text())
    arrays = respond(findings, FRACTURE_FINDINGS, findings_inputs(np.full((3, 2, 4), 0.5))).arrays()
    assert arrays["threshold"][0] == np.float32(content["threshold"])
    assert arrays["model_hash"].tolist() == [content["weights_sha256"].encode()]


@pytest.mark.parametrize(
    ("marks_ms", "expected_ms"),
    [
        # DICOM read, slices; line; patches
        ((0, 50, 60, 90, 92, 130), [50, 10, 30, 2, 38]),
        ((0, 10, 40, 42, 80), [10, 30, 2, 38]),
        ((0, 38), [38]),
    ],
    ids=["dicom", "volume", "crop"],
)
def test_stage_timings_are_the_spans_between_the_marks(findings, marks_ms, expected_ms):
    now, ms = time.monotonic_ns(), 1_000_000
    clock = [now - (200 - mark) * ms for mark in marks_ms]
    arrays = respond(findings, FRACTURE_FINDINGS, findings_inputs(np.full((3, 2, 4), 0.5), clock)).arrays()
    found = arrays["stage_timings_ms"]
    *known, classification, last = found
    assert known == expected_ms
    assert STAGES[-len(found)] == {6: "axial_slices", 7: "dicom_volume", 3: "spine_patches"}[len(found)]
    assert 200 - marks_ms[-1] <= classification < 10_000
    assert 0 <= last < 1_000


@pytest.mark.parametrize(
    ("patches", "study"), [((3, 2, 4), (2, 2)), ((3, 2, 0), (3, 2)), ((0, 0, 0), (0, 0)), ((3, 2, 4000), (3, 2))]
)
def test_findings_of_answers_that_do_not_fit_together_are_refused(findings, patches, study):
    inputs = findings_inputs(np.zeros(patches)) | {STUDY_PROBABILITY.name: np.zeros(study)}
    response = respond(findings, FRACTURE_FINDINGS, inputs)
    assert response.error().code() == stub.TritonError.INVALID_ARG
    assert response.error().message().startswith("BAD_INPUT: ")
