# SPDX-License-Identifier: Apache-2.0
"""The reader on the server, with a stand-in for Triton's stub."""

import io

import numpy as np
import pytest

pytest.importorskip("tritonclient.grpc")
pytest.importorskip("onnx")
pytest.importorskip("pydicom")

from tests import fake_stub as stub
from tests.clients.ct_series import CtSeries
from tests.model_repository.steps import assert_fits_contract, load, respond
from vcf_client.reader import read_study
from vcf_contract.contract import (
    AXIAL_SLICES,
    DICOM_FILES,
    DICOM_VOLUME,
    PATIENT_AFFINE,
    SLICE_LOCATION_MM,
    SPACING_MM,
    STUDY_FLAGS,
    VOLUME,
)


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
    assert arrays[SLICE_LOCATION_MM.name].tolist() == [expected.volume.slice_location_mm]
    assert arrays[STUDY_FLAGS.name].tolist() == [flag.encode() for flag in expected.flags]
    points = np.random.default_rng(0).random((5, 3)) * 300
    there = np.c_[points, np.ones(5)] @ arrays[PATIENT_AFFINE.name].T
    np.testing.assert_allclose(there[:, :3], expected.volume.to_lps_mm(points), atol=1e-9)
    slices_only = respond(
        load(AXIAL_SLICES),
        AXIAL_SLICES,
        {
            VOLUME.name: expected.volume.hu,
            SPACING_MM.name: expected.volume.spacing_mm,
            SLICE_LOCATION_MM.name: arrays[SLICE_LOCATION_MM.name],
        },
    ).arrays()
    np.testing.assert_array_equal(arrays["slice_images"], slices_only["slice_images"])


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda files: [], "NO_IMAGES"),
        (lambda files: [b"\0" * 4000] * 3, "NOT_DICOM"),
        (lambda files: [b""] * 50_001, "TOO_LARGE"),
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
