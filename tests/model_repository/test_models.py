# SPDX-License-Identifier: Apache-2.0
"""The Python models, with a stand-in for Triton's stub and a detector that knows the anatomy."""

import io
import json
import time

import numpy as np
import pytest

pytest.importorskip("tritonclient.grpc")
pytest.importorskip("onnx")

pytest.importorskip("pydicom")

from clients.reader import read_study
from preprocess import centre_line, spine
from preprocess.crop import cut
from preprocess.slices import pick, volume_to_image_px
from preprocess.spec import DETECTOR
from tests import fake_stub as stub
from tests.clients.ct_series import CtSeries
from tests.preprocess import anatomy
from vcf.contract import (
    AXIAL_SLICES,
    CANAL_GRID,
    CENTRE_LINE,
    CENTRE_LINE_MM,
    CLOCK,
    CLOCK_LINE,
    CLOCK_PATCHES,
    CLOCK_SLICES,
    CROP,
    CROP_ORIGIN,
    DICOM_FILES,
    DICOM_VOLUME,
    FRACTURE_FINDINGS,
    MEMBERS,
    PATCH_PROBABILITY,
    PATIENT_AFFINE,
    SLICE_INDICES,
    SPACING_MM,
    SPINE_PATCHES,
    STAGES,
    STUDY_FLAGS,
    VOLUME,
    VOLUME_SHAPE,
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
    given = [tensor for tensor in model.inputs if tensor.name in arrays or not tensor.optional]
    inputs = {tensor.name: np.asarray(arrays[tensor.name], NUMPY[tensor.dtype]) for tensor in given}
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


def located(volume, indices=None, found=None, **more):
    indices = pick(len(volume.hu), SPACING[0]) if indices is None else indices
    return respond(
        load(CENTRE_LINE),
        CENTRE_LINE,
        {
            VOLUME_SHAPE.name: volume.hu.shape,
            SPACING_MM.name: SPACING,
            SLICE_INDICES.name: indices,
            CANAL_GRID.name: canal_grid(volume, indices, found),
            **more,
        },
    )


def test_centre_line(volume):
    arrays = located(volume).arrays()
    assert_fits_contract(CENTRE_LINE, arrays)
    z = arrays[CENTRE_LINE_MM.name][:, 2]
    np.testing.assert_allclose(arrays[CENTRE_LINE_MM.name][:, :2], np.stack(anatomy.canal_at(z), -1), atol=1.5)
    assert len(arrays[CLOCK_LINE.name]) == 2
    assert located(volume, clock_ns=[5, 7]).arrays()[CLOCK_LINE.name][:2].tolist() == [5, 7]


def test_spine_that_is_hardly_found_is_refused(volume):
    response = located(volume, found={1})
    assert response.error().code() == stub.TritonError.INVALID_ARG
    assert response.error().message().startswith("SPINE_NOT_FOUND: ")


def test_flags_are_codes(volume):
    found = set(range(len(pick(len(volume.hu), SPACING[0])))) - {3}
    assert b"CANAL_INTERPOLATED" in located(volume, found=found).arrays()["flags"].tolist()


@pytest.mark.parametrize("indices", [[], [0, 10, 10, 20], [0, 10, 400], [-1, 10, 20]])
def test_slices_that_are_not_the_volumes_are_refused(volume, indices):
    response = located(volume, indices=np.array(indices, np.int32))
    assert response.error().code() == stub.TritonError.INVALID_ARG
    assert response.error().message().startswith("BAD_INPUT: ")


def patched(volume, part=None, **more):
    line = located(volume).arrays()[CENTRE_LINE_MM.name]
    given = {CROP.name: volume.hu} if part is None else {CROP.name: part.hu, CROP_ORIGIN.name: part.origin}
    return respond(
        load(SPINE_PATCHES),
        SPINE_PATCHES,
        {
            **given,
            VOLUME_SHAPE.name: volume.hu.shape,
            SPACING_MM.name: SPACING,
            CENTRE_LINE_MM.name: line,
            **more,
        },
    )


def test_spine_patches(volume):
    arrays = patched(volume).arrays()
    assert_fits_contract(SPINE_PATCHES, arrays)
    k = len(arrays["location"])
    assert len(arrays["patches"]) == 2 * k
    np.testing.assert_array_equal(arrays["patches"][k:], arrays["patches"][:k, :, :, ::-1])
    assert len(arrays[CLOCK_PATCHES.name]) == 2
    assert patched(volume, clock_ns=[5, 7, 8]).arrays()[CLOCK_PATCHES.name][:3].tolist() == [5, 7, 8]


def test_a_crop_gives_what_the_volume_gives(volume):
    line = centre_line.received(located(volume).arrays()[CENTRE_LINE_MM.name], volume.hu.shape, SPACING)
    crop = cut(volume.hu, spine.window(volume.hu.shape, SPACING, line))
    assert crop.hu.size < 0.8 * volume.hu.size
    whole, part = patched(volume).arrays(), patched(volume, crop).arrays()
    for name in ("patches", "location", "patch_boxes_mm"):
        np.testing.assert_array_equal(whole[name], part[name], err_msg=name)
    # The picture shows the rows that the crop holds, and says where it begins.
    first = round(float(part["midsagittal_mm"][1] - whole["midsagittal_mm"][1]) / SPACING[1])
    seen = whole["midsagittal"][:, first : first + part["midsagittal"].shape[1]]
    np.testing.assert_array_equal(seen, part["midsagittal"])


@pytest.mark.parametrize(
    "bad",
    [
        {CROP_ORIGIN.name: [-1, 0]},
        {CROP_ORIGIN.name: [1, 0]},
        {VOLUME_SHAPE.name: [87, 99, 80]},
        {VOLUME_SHAPE.name: [2**31 - 1] * 3},
        {CROP.name: np.zeros((87, 20, 20), np.int16), CROP_ORIGIN.name: [0, 0]},  # not where the spine is
        {CENTRE_LINE_MM.name: np.full((87, 3), np.nan)},
        {CENTRE_LINE_MM.name: np.zeros((0, 3))},
        {CENTRE_LINE_MM.name: np.full((3, 3), 3e38)},
        {CENTRE_LINE_MM.name: [[1e30, 0, 0], [1e30, 0, 3]]},
        {CENTRE_LINE_MM.name: [[80, 120, 0], [80, 120, 4]]},
        {CENTRE_LINE_MM.name: [[80, 120, -30], [80, 120, -27]]},
    ],
)
def test_crops_and_lines_that_do_not_fit_are_refused(volume, bad):
    response = patched(volume, **{CROP_ORIGIN.name: [0, 0], **bad})
    assert response.has_error()
    assert response.error().message().startswith("BAD_INPUT: "), response.error().message()


@pytest.mark.parametrize(
    ("shape", "spacing_mm", "code"),
    [
        ((30, 64, 64), (3, 2, 2), "TOO_SHORT"),
        ((60, 64, 64), (3, 0, 2), "BAD_INPUT"),
        ((60, 64, 0), (3, 2, 2), "BAD_INPUT"),
        ((600, 16, 16), (9, 2, 2), "TOO_LONG"),
    ],
)
@pytest.mark.parametrize("model", [AXIAL_SLICES, CENTRE_LINE, SPINE_PATCHES], ids=lambda m: m.name)
def test_volumes_that_are_refused(model, shape, spacing_mm, code):
    arrays = {
        VOLUME.name: np.zeros(shape, np.int16),
        CROP.name: np.zeros(shape, np.int16),
        VOLUME_SHAPE.name: shape,
        SPACING_MM.name: spacing_mm,
        SLICE_INDICES.name: [0],
        CANAL_GRID.name: np.zeros((1, *CANAL_GRID.shape[1:])),
        CENTRE_LINE_MM.name: [[0, 0, 0]],
    }
    response = respond(load(model), model, arrays)
    assert response.error().code() == stub.TritonError.INVALID_ARG
    assert response.error().message().startswith(f"{code}: ")


def dicom(files, **parameters):
    request = stub.Request(
        {DICOM_FILES.name: np.array([*files, None], object)[:-1]},
        [tensor.name for tensor in DICOM_VOLUME.outputs],
        parameters,
    )
    (response,) = load(DICOM_VOLUME).execute([request])
    return response


@pytest.fixture(scope="module")
def files():
    return [as_bytes(image) for image in CtSeries(slices=40).images()]


def as_bytes(image):
    stream = io.BytesIO()
    image.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def test_dicom_files_become_the_volume_that_the_client_reads(files, tmp_path):
    for number, content in enumerate(files):
        (tmp_path / f"{number}.dcm").write_bytes(content)
    expected = read_study(tmp_path)
    arrays = dicom(reversed(files)).arrays()
    assert_fits_contract(DICOM_VOLUME, arrays)
    np.testing.assert_array_equal(arrays[VOLUME.name], expected.volume.hu)
    np.testing.assert_allclose(arrays[SPACING_MM.name], expected.volume.spacing_mm)
    assert arrays[STUDY_FLAGS.name].tolist() == [flag.encode() for flag in expected.flags]
    points = np.random.default_rng(0).random((5, 3)) * 300
    there = np.c_[points, np.ones(5)] @ arrays[PATIENT_AFFINE.name].T
    np.testing.assert_allclose(there[:, :3], expected.volume.to_lps_mm(points), atol=1e-9)
    slices_only = respond(
        load(AXIAL_SLICES),
        AXIAL_SLICES,
        {VOLUME.name: expected.volume.hu, SPACING_MM.name: expected.volume.spacing_mm},
    ).arrays()
    np.testing.assert_array_equal(arrays["slice_images"], slices_only["slice_images"])


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda files: [], "NO_IMAGES"),
        (lambda files: [b"\0" * 4000] * 3, "NOT_DICOM"),
        (lambda files: [b""] * 50_001, "BAD_INPUT"),
        (lambda files: files[:5], "TOO_SHORT"),
        (lambda files: [content[:-100] for content in files], "TRUNCATED"),
        (lambda files: [b"\0" * 128 + b"DICM" + bytes(range(256)) * 9], "TRUNCATED"),
    ],
)
def test_dicom_that_is_refused(files, change, code):
    response = dicom(change(files))
    assert response.error().code() == stub.TritonError.INVALID_ARG
    assert response.error().message().startswith(f"{code}: ")


def test_age_policy_of_the_request(files):
    assert dicom(files, age_policy="block").error() is None
    assert dicom(files, age_policy="never").error().message().startswith("BAD_INPUT: age_policy must be warn or block")


def test_server_without_a_reader_says_so(monkeypatch, files):
    instance = load(DICOM_VOLUME)
    monkeypatch.setitem(type(instance).execute.__globals__, "MISSING", "pydicom")
    request = stub.Request({DICOM_FILES.name: np.array(files, object)}, [])
    (response,) = instance.execute([request])
    assert response.error().code() == stub.TritonError.UNAVAILABLE
    assert "lacks pydicom" in response.error().message()


@pytest.fixture(scope="module")
def findings(tiny_repository):
    return load(FRACTURE_FINDINGS, tiny_repository)


def findings_inputs(probabilities, clock_ns=(0, 0)):
    named = {
        member_tensor(PATCH_PROBABILITY, member).name: values
        for member, values in zip(MEMBERS, probabilities, strict=True)
    }
    return {**named, CLOCK.name: clock_ns}


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


def test_findings_of_members_that_disagree_in_length_fail(findings):
    inputs = findings_inputs([np.zeros((2, 4)), np.zeros((2, 4)), np.zeros((2, 5))])
    response = respond(findings, FRACTURE_FINDINGS, inputs)
    assert response.error().code() == stub.TritonError.INTERNAL
