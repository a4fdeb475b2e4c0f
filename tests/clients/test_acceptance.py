# SPDX-License-Identifier: Apache-2.0
"""What a series must be, at and beside each limit."""

from typing import Any

import pytest

from vcf_client import acceptance
from vcf_contract.errors import Code, StudyRefused


def code_of(check: Any, *values: Any) -> Code | None:
    try:
        check(*values)
    except StudyRefused as refusal:
        return refusal.code
    return None


@pytest.mark.parametrize(("coverage_mm", "refused"), [(120.0, False), (119.0, False), (118.0, True), (0.0, True)])
def test_a_scan_covers_twelve_centimetres_but_for_rounding(coverage_mm: float, refused: bool) -> None:
    assert code_of(acceptance.refuse_too_short, coverage_mm) == (Code.TOO_SHORT if refused else None)


def test_the_sentence_says_what_was_covered_and_what_is_accepted() -> None:
    with pytest.raises(StudyRefused, match="covers 50 mm of the spine in full; 120 mm and more are accepted"):
        acceptance.refuse_too_short(50.0, "of the spine in full")


@pytest.mark.parametrize(
    ("slice_mm", "flags"), [(0.5, ()), (3.0, ()), (3.02, ()), (3.1, (Code.THICK_SLICES,)), (5.04, (Code.THICK_SLICES,))]
)
def test_thick_slices_are_flagged(slice_mm: float, flags: tuple[Code, ...]) -> None:
    assert acceptance.thickness_flags(slice_mm) == flags


def test_slices_in_which_a_vertebra_would_be_lost_are_refused() -> None:
    with pytest.raises(StudyRefused, match=r"5\.20 mm; up to 5 mm are accepted") as refused:
        acceptance.thickness_flags(5.2)
    assert refused.value.code == Code.SLICE_TOO_THICK


@pytest.mark.parametrize(
    ("age", "code"), [(None, Code.AGE_UNKNOWN), (49.9, Code.AGE_UNDER_50), (50.0, None), (101.0, None)]
)
def test_young_and_unknown_ages_are_flagged_or_refused(age: float | None, code: Code | None) -> None:
    assert acceptance.age_flags(age, "warn") == ((code,) if code else ())
    assert code_of(acceptance.age_flags, age, "block") == code


def test_no_age_stands_in_a_sentence() -> None:
    with pytest.raises(StudyRefused) as refused:
        acceptance.age_flags(17.0, "block")
    assert "17" not in str(refused.value)


@pytest.mark.parametrize(("slices", "refused"), [(4094, False), (4095, True), (10**9, True)])
def test_a_volume_fits_one_message(slices: int, refused: bool) -> None:
    """Of 512 × 512 pixels in two bytes: half a MiB a slice, 1 MiB less than 2 GiB in all."""
    assert code_of(acceptance.refuse_too_big, slices, 512, 512) == (Code.TOO_LARGE if refused else None)
