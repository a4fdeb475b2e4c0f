# SPDX-License-Identifier: Apache-2.0
from dataclasses import fields, replace
from pathlib import Path

import pytest

from tests.clients.dicom import factory
from vcf_client.dicom.files import Source
from vcf_client.dicom.header import HeaderReader
from vcf_client.dicom.slices import Slice


@pytest.fixture
def usual(tmp_path: Path) -> Slice:
    (ds,) = factory.make_series(slices=1)
    read = HeaderReader().read(Source(factory.save(ds, tmp_path / "a.dcm")))
    assert isinstance(read, list)
    return read[0]


@pytest.mark.parametrize(
    ("change", "known"),
    [
        ({}, True),
        ({"position_mm": None}, False),
        ({"orientation": ()}, False),
        ({"orientation": (1.0, 0.0, 0.0, 0.0, 1.0)}, False),
        ({"pixel_spacing_mm": None}, False),
    ],
)
def test_a_place_needs_position_orientation_and_spacing(usual: Slice, change: dict[str, object], known: bool) -> None:
    assert replace(usual, **change).has_geometry is known  # type: ignore[arg-type]


@pytest.mark.parametrize(("samples", "bits", "nbytes"), [(1, 16, 6720), (1, 8, 3360), (3, 8, 10_080), (1, 32, 13_440)])
def test_size_of_a_frame(usual: Slice, samples: int, bits: int, nbytes: int) -> None:
    """Of 60 rows and 56 columns."""
    facts = replace(usual.facts, samples=samples, bits_allocated=bits)
    assert replace(usual, facts=facts).frame_bytes == nbytes


def test_what_names_a_patient_is_in_no_repr(usual: Slice) -> None:
    facts = usual.facts
    for secret in (facts.series_uid, facts.study_uid, facts.frame_of_reference, usual.sop_uid, *factory.SECRETS):
        assert secret and secret not in repr(usual)
    shown = {field.name for field in fields(facts) if field.repr}
    assert not shown & {"patient", "age_years", "words", "study_words", "manufacturer"}
