# SPDX-License-Identifier: Apache-2.0
"""Transfer syntaxes by what pydicom's own table of UIDs says of them."""

import pytest
from pydicom.uid import UID, AllTransferSyntaxes

from vcf_client.dicom.transfer import ALWAYS_LOSSY, RETIRED_JPEG, byte_order, is_native, is_supported

PIXELS = [uid for uid in AllTransferSyntaxes if "JPIP" not in uid.name and "MPEG" not in uid.name]
LITTLE, BIG = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"


@pytest.mark.parametrize("uid", PIXELS, ids=lambda uid: uid.keyword)
def test_native_is_what_is_not_encapsulated(uid: UID) -> None:
    """Deflated files are unpacked before, so their syntax is never asked for."""
    assert is_native(uid) is (not uid.is_encapsulated and not uid.is_deflated)


def test_byte_orders() -> None:
    assert (byte_order("1.2.840.10008.1.2"), byte_order(LITTLE), byte_order(BIG)) == ("<", "<", ">")


@pytest.mark.parametrize("uid", sorted(RETIRED_JPEG))
def test_retired_processes_are_read_and_lossy(uid: str) -> None:
    assert UID(uid).is_retired
    assert is_supported(uid) and uid in ALWAYS_LOSSY


def test_cosine_transforms_lose_detail_and_lossless_syntaxes_are_not_among_them() -> None:
    for uid in PIXELS:
        if "Baseline" in uid.name or "Extended" in uid.name:
            assert uid in ALWAYS_LOSSY
        if "Lossless" in uid.name:
            assert uid not in ALWAYS_LOSSY


@pytest.mark.parametrize(
    "uid", [LITTLE, BIG, "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.90"]
)
def test_usual_ones_are_read_here(uid: str) -> None:
    assert is_supported(uid)


@pytest.mark.parametrize("uid", ["", "1.2.3", "none", "1.2.840.10008.1.2.4.100", "1.2.840.10008.5.1.4.1.1.2"])
def test_what_is_no_syntax_of_pictures_is_not(uid: str) -> None:
    assert not is_supported(uid) and not is_native(uid)
