# SPDX-License-Identifier: Apache-2.0
"""What all results have in common: whose they are, who made them, and UIDs that are valid."""

import re
import uuid

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import UID

from tests.clients.ct_series import CtSeries
from vcf_client.dicom.result import identify, random_uid, serial_number, uid_from
from vcf_client.dicom.source import SourceSeries


@pytest.mark.parametrize("digest", [bytes(32), b"\xff" * 32, bytes(range(32))])
def test_a_uid_of_a_hash_is_a_uuid_in_decimals(digest: bytes) -> None:
    """PS3.5 B.2: 2.25. and the UUID as an integer without leading zeros."""
    uid = uid_from(digest)
    assert UID(uid).is_valid and uid.startswith("2.25.") and len(uid) <= 64
    found = uuid.UUID(int=int(uid.removeprefix("2.25.")))
    assert found.version == 4 and found.variant == uuid.RFC_4122
    assert uid_from(digest) == uid != uid_from(b"x" + digest)


def test_random_uids_are_new() -> None:
    made = {random_uid("report") for _ in range(100)}
    assert len(made) == 100 and all(UID(uid).is_valid for uid in made)


def test_a_result_is_filed_with_its_source(series: CtSeries, source: SourceSeries) -> None:
    result = Dataset()
    identify(result, source, "0f" * 32)
    (image, *_) = series.images()
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "StudyInstanceUID", "AccessionNumber", "StudyDate"):
        assert result[keyword].value == image[keyword].value
    assert "SeriesInstanceUID" not in result and "SOPInstanceUID" not in result
    assert (result.Manufacturer, result.DeviceSerialNumber) == ("vcf-triton", "0f" * 8)
    assert re.match(r"\d+\.", result.SoftwareVersions)


def test_other_weights_are_another_device() -> None:
    assert serial_number("ab" * 32) != serial_number("cd" * 32)
    assert len(serial_number("ab" * 32)) <= 64, "LO holds 64 characters"
    assert serial_number("") == "0"
