# SPDX-License-Identifier: Apache-2.0
"""Attributes that all result objects have in common: new UIDs, the patient and study of the source, and who made it."""

import uuid
from collections.abc import Callable

from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from vcf_client.dicom.source import SourceSeries
from vcf_contract import __version__

MANUFACTURER = "vcf-triton"
ALGORITHM = "Vertebral compression fractures in CT"
WARNING = "NOT FOR DIAGNOSIS"
"""Burned into the picture, and said in the attributes of every result."""

UidMaker = Callable[[str], str]
"""Makes the UID for a role in the results, such as ``report-series``."""


def random_uid(role: str) -> str:
    """A new UID at every call, whatever the role."""
    return str(generate_uid(prefix=None))


def uid_from(digest: bytes) -> str:
    """A UID from the first 16 bytes of a hash, in the form of a UUID (PS3.5 section B.2)."""
    return f"2.25.{uuid.UUID(bytes=digest[:16], version=4).int}"


def identify(result: Dataset, source: SourceSeries, model_hash: str) -> None:
    """Give a result the patient and study of its source, and its maker (PS3.3 sections C.7.5.1 and C.7.5.2)."""
    result.update(source.study)
    result.Manufacturer = MANUFACTURER
    result.ManufacturerModelName = ALGORITHM
    result.DeviceSerialNumber = serial_number(model_hash)
    result.SoftwareVersions = __version__


def serial_number(model_hash: str) -> str:
    """Return which weights, in 16 digits of their hash: other weights are another device. 0 where none were asked."""
    return model_hash[:16] or "0"
