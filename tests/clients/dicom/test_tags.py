# SPDX-License-Identifier: Apache-2.0
"""Tags against pydicom's dictionary, which is made from the standard (PS3.6)."""

from pydicom.datadict import dictionary_VR, tag_for_keyword

from vcf_client.dicom.tags import SHARED_TAGS, SLICE_TAGS, Tag


def test_each_is_the_element_of_its_keyword() -> None:
    assert {tag.name: int(tag) for tag in Tag} == {tag.name: tag_for_keyword(tag.name) for tag in Tag}


def test_no_element_is_read_twice() -> None:
    assert not set(SHARED_TAGS) & set(SLICE_TAGS)
    for tags in (SHARED_TAGS, SLICE_TAGS):
        assert len(set(tags)) == len(tags)


def test_no_name_of_a_person_is_read() -> None:
    """What identifies a patient is used to tell studies apart and to know the age; names are of no use."""
    assert not [tag for tag in Tag if dictionary_VR(int(tag)) == "PN"]
