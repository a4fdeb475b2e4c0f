# SPDX-License-Identifier: Apache-2.0
"""The picture as DICOM: by the standard, not for diagnosis, and without a place in the patient."""

from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset

from tests.clients.ct_series import CtSeries
from vcf_client import Findings, picture
from vcf_client.dicom.secondary_capture import secondary_capture
from vcf_client.dicom.source import SourceSeries

Dciodvfy = Callable[[Dataset], list[str]]


@pytest.mark.parametrize("positive", [True, False])
def test_no_errors_by_the_standard(
    findings: Findings, negative: Findings, source: SourceSeries, dciodvfy: Dciodvfy, positive: bool
) -> None:
    assert dciodvfy(secondary_capture(findings if positive else negative, source)) == []


def test_pixels_are_the_picture_above_a_warning(findings: Findings, source: SourceSeries) -> None:
    file = BytesIO()
    secondary_capture(findings, source).save_as(file, enforce_file_format=True)
    file.seek(0)
    pixels = dcmread(file).pixel_array
    drawn = np.asarray(picture.draw(findings))
    height = len(drawn)
    np.testing.assert_array_equal(pixels[:height], drawn)
    band = np.asarray(Image.fromarray(pixels[height:]).convert("L")).astype(int)
    assert band.shape[0] >= 30
    ink = (band < 100).mean()
    assert 0.02 < ink < 0.3, "letters cover some of the band, not none and not most of it"


def test_not_for_diagnosis_is_said_in_the_attributes(findings: Findings, source: SourceSeries) -> None:
    image = secondary_capture(findings, source)
    assert image.ImageType[:2] == ["DERIVED", "SECONDARY"]
    for keyword in ("DerivationDescription", "ImageComments"):
        assert "NOT FOR DIAGNOSIS" in image[keyword].value
    assert "not for diagnosis" in image.SeriesDescription


@pytest.mark.parametrize(
    "keyword",
    ["ImagePositionPatient", "ImageOrientationPatient", "FrameOfReferenceUID", "PixelSpacing", "SliceLocation"],
)
def test_a_curved_picture_has_no_place_in_the_patient(findings: Findings, source: SourceSeries, keyword: str) -> None:
    assert keyword not in secondary_capture(findings, source)


def test_same_study_new_series_and_all_sources_named(
    findings: Findings, series: CtSeries, source: SourceSeries
) -> None:
    ct = series.images()[0]
    image = secondary_capture(findings, source)
    assert image.StudyInstanceUID == ct.StudyInstanceUID and image.PatientID == ct.PatientID
    assert image.SeriesInstanceUID != ct.SeriesInstanceUID
    assert {item.ReferencedSOPInstanceUID for item in image.SourceImageSequence} == {
        each.SOPInstanceUID for each in series.images()
    }
    assert secondary_capture(findings, source, lambda role: f"2.25.{len(role)}").SOPInstanceUID == "2.25.7"
