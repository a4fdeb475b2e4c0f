# SPDX-License-Identifier: Apache-2.0
from tests.clients.dicom import factory
from vcf_client.dicom.elements import Elements
from vcf_client.dicom.tags import Tag


def test_elements_of_a_made_up_data_set() -> None:
    """Values that were set in Python, not read from bytes."""
    (ds,) = factory.make_series(slices=1)
    elements = Elements.of(ds.values())
    assert elements.numbers(Tag.ImageOrientationPatient) == (1, 0, 0, 0, 1, 0)
    assert elements.texts(Tag.ImageType) == ("ORIGINAL", "PRIMARY", "AXIAL")
    assert elements.unsigned(Tag.Rows) == 60
    assert elements.text(Tag.LossyImageCompression) == "" and elements.number(Tag.RescaleSlope) == 1
    assert elements.unsigned(Tag.PixelPaddingValue) is None
    assert list(elements.items(Tag.SharedFunctionalGroupsSequence)) == []
