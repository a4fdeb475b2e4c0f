# SPDX-License-Identifier: Apache-2.0
"""The three Python models, with a stand-in for Triton's stub and a detector that knows the anatomy."""

import json
import time

import numpy as np
import pytest

pytest.importorskip("tritonclient.grpc")
pytest.importorskip("onnx")

from preprocess.slices import pick, volume_to_image_px
from preprocess.spec import DETECTOR
from tests import fake_stub as stub
from tests.preprocess import anatomy
from vcf.contract import (
    AXIAL_SLICES,
    CANAL_GRID,
    CLOCK_PATCHES,
    CLOCK_SLICES,
    FRACTURE_FINDINGS,
    MEMBERS,
    PATCH_PROBABILITY,
    SLICE_INDICES,
    SPACING_MM,
    SPINE_PATCHES,
    STAGES,
    VOLUME,
    member_tensor,
)
from vcf.serve.step import NUMPY

SPACING = (3.0, 2.0, 2.0)


def load(model, repository=stub.ROOT / "model_repository"):
    folder = repository / model.name
    instance = stub.load(folder / "1" / "model.py").TritonPythonModel()
    if hasattr(instance, "initialize"):
        instance.initialize(stub.arguments(folder, (folder / "configs" / "cpu.pbtxt").read_text()))
    return instance


def respond(instance, model, arrays):
    inputs = {tensor.name: np.asarray(arrays[tensor.name], NUMPY[tensor.dtype]) for tensor in model.inputs}
    (response,) = instance.execute([stub.Request(inputs, [tensor.name for tensor in model.outputs])])
    return response


def assert_fits_contract(model, arrays):
    for tensor in model.outputs:
        array = arrays[tensor.name]
        assert array.dtype == NUMPY[tensor.dtype], tensor.name
        assert array.ndim == len(tensor.shape), tensor.name
        assert all(there in (-1, here) for here, there in zip(array.shape, tensor.shape, strict=True)), tensor.name


@pytest.fixture(scope="module")
def volume():
    return anatomy.sample(SPACING)


def canal_grid(volume, indices, found=None):
    """What a perfect detector answers: the box about the true canal centre, in the first anchor."""
    grid = np.zeros((len(indices), *CANAL_GRID.shape[1:]), np.float32)
    grid[..., 4::5] = -8
    centres = np.stack(anatomy.canal_at(indices * SPACING[0]), -1)
    places = volume_to_image_px(centres, volume.hu.shape, SPACING) / DETECTOR.stride_px
    for number, (x, y) in enumerate(places):
        if found is None or number in found:
            fraction_x, fraction_y = x % 1, y % 1
            logit = [np.log(f / (1 - f)) for f in (fraction_x, fraction_y)]
            grid[number, int(y), int(x), :5] = [*logit, 0, 0, 8]
    return grid


def test_axial_slices(volume):
    started_ns = time.monotonic_ns()
    arrays = respond(load(AXIAL_SLICES), AXIAL_SLICES, {VOLUME.name: volume.hu, SPACING_MM.name: SPACING}).arrays()
    assert_fits_contract(AXIAL_SLICES, arrays)
    indices = arrays[SLICE_INDICES.name]
    assert indices[0] == 0 and indices[-1] == len(volume.hu) - 1
    assert np.diff(indices)[:-1].tolist() == [10] * (len(indices) - 2)
    start, end = arrays[CLOCK_SLICES.name]
    assert started_ns <= start < end <= time.monotonic_ns()


def test_spine_patches(volume):
    indices = pick(len(volume.hu), SPACING[0])
    arrays = respond(
        load(SPINE_PATCHES),
        SPINE_PATCHES,
        {
            VOLUME.name: volume.hu,
            SPACING_MM.name: SPACING,
            SLICE_INDICES.name: indices,
            CANAL_GRID.name: canal_grid(volume, indices),
        },
    ).arrays()
    assert_fits_contract(SPINE_PATCHES, arrays)
    k = len(arrays["location"])
    assert len(arrays["patches"]) == 2 * k
    np.testing.assert_array_equal(arrays["patches"][k:], arrays["patches"][:k, :, :, ::-1])
    z = arrays["centre_line_mm"][:, 2]
    np.testing.assert_allclose(arrays["centre_line_mm"][:, :2], np.stack(anatomy.canal_at(z), -1), atol=1.5)


def test_spine_that_is_hardly_found_is_refused(volume):
    indices = pick(len(volume.hu), SPACING[0])
    response = respond(
        load(SPINE_PATCHES),
        SPINE_PATCHES,
        {
            VOLUME.name: volume.hu,
            SPACING_MM.name: SPACING,
            SLICE_INDICES.name: indices,
            CANAL_GRID.name: canal_grid(volume, indices, found={1}),
        },
    )
    assert response.error().code() == stub.TritonError.INVALID_ARG
    assert response.error().message().startswith("SPINE_NOT_FOUND: ")


def test_flags_are_codes(volume):
    indices = pick(len(volume.hu), SPACING[0])
    found = set(range(len(indices))) - {3}
    arrays = respond(
        load(SPINE_PATCHES),
        SPINE_PATCHES,
        {
            VOLUME.name: volume.hu,
            SPACING_MM.name: SPACING,
            SLICE_INDICES.name: indices,
            CANAL_GRID.name: canal_grid(volume, indices, found),
        },
    ).arrays()
    assert b"CANAL_INTERPOLATED" in arrays["flags"].tolist()


@pytest.mark.parametrize("model", [AXIAL_SLICES, SPINE_PATCHES], ids=lambda m: m.name)
@pytest.mark.parametrize(
    ("shape", "spacing_mm", "code"),
    [
        ((30, 64, 64), (3, 2, 2), "TOO_SHORT"),
        ((60, 64, 64), (3, 0, 2), "BAD_INPUT"),
        ((60, 64, 0), (3, 2, 2), "BAD_INPUT"),
        ((600, 16, 16), (9, 2, 2), "TOO_LONG"),
    ],
)
def test_volumes_that_are_refused(model, shape, spacing_mm, code):
    arrays = {
        VOLUME.name: np.zeros(shape, np.int16),
        SPACING_MM.name: spacing_mm,
        SLICE_INDICES.name: [0],
        CANAL_GRID.name: np.zeros((1, *CANAL_GRID.shape[1:])),
    }
    response = respond(load(model), model, arrays)
    assert response.error().code() == stub.TritonError.INVALID_ARG
    assert response.error().message().startswith(f"{code}: ")


@pytest.fixture(scope="module")
def findings(tiny_repository):
    return load(FRACTURE_FINDINGS, tiny_repository)


def findings_inputs(probabilities, slices_ns=(0, 0), patches_ns=(0, 0)):
    named = {
        member_tensor(PATCH_PROBABILITY, member).name: values
        for member, values in zip(MEMBERS, probabilities, strict=True)
    }
    return {**named, CLOCK_SLICES.name: slices_ns, CLOCK_PATCHES.name: patches_ns}


def test_findings_average_members_and_flips(findings):
    probabilities = np.random.default_rng(0).random((len(MEMBERS), 2, 7), np.float32)
    arrays = respond(findings, FRACTURE_FINDINGS, findings_inputs(probabilities)).arrays()
    assert_fits_contract(FRACTURE_FINDINGS, arrays)
    mean = probabilities.mean((0, 1))
    np.testing.assert_allclose(arrays["patch_probabilities"], mean, rtol=1e-6)
    inner = (mean[:-2] + 2 * mean[1:-1] + mean[2:]) / 4
    np.testing.assert_allclose(arrays["patch_scores"][1:-1], inner, rtol=1e-6)
    assert arrays["study_score"][0] == arrays["patch_scores"].max()


def test_findings_carry_the_operating_point(findings, tiny_repository):
    content = json.loads((tiny_repository / FRACTURE_FINDINGS.name / "1" / "operating_point.json").read_text())
    arrays = respond(findings, FRACTURE_FINDINGS, findings_inputs(np.full((3, 2, 4), 0.5))).arrays()
    assert arrays["threshold"][0] == np.float32(content["threshold"])
    assert arrays["model_hash"].tolist() == [content["weights_sha256"].encode()]


def test_stage_timings_are_the_spans_between_the_clocks(findings):
    now = time.monotonic_ns()
    ms = 1_000_000
    clocks = {"slices_ns": (now - 100 * ms, now - 90 * ms), "patches_ns": (now - 60 * ms, now - 20 * ms)}
    arrays = respond(findings, FRACTURE_FINDINGS, findings_inputs(np.full((3, 2, 4), 0.5), **clocks)).arrays()
    timings = dict(zip(STAGES, arrays["stage_timings_ms"], strict=True))
    assert timings["axial_slices"] == 10
    assert timings["spinal_cord_detector"] == 30
    assert timings["spine_patches"] == 40
    assert 20 <= timings["classification"] < 10_000
    assert 0 <= timings["fracture_findings"] < 1_000


def test_findings_of_members_that_disagree_in_length_fail(findings):
    inputs = findings_inputs([np.zeros((2, 4)), np.zeros((2, 4)), np.zeros((2, 5))])
    response = respond(findings, FRACTURE_FINDINGS, inputs)
    assert response.error().code() == stub.TritonError.INTERNAL
