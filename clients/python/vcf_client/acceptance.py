# SPDX-License-Identifier: Apache-2.0
"""Conditions on a series of any format: long enough, thin enough, of a patient old enough."""

from vcf_contract.errors import Code, StudyRefused
from vcf_contract.spec import MIN_COVERAGE_MM

MAX_THICKNESS_MM = 5.0
THICK_FROM_MM = 3.0
MIN_AGE_YEARS = 50
MIN_AXIS_COSINE = 0.99
"""The cosine of the largest angle between an axis of the volume and the nearest one of the patient, about 8 degrees."""
MAX_VOLUME_BYTES = (1 << 31) - (1 << 20)
"""What one request can carry: a gRPC message holds less than 2 GiB."""

AGE_POLICIES = ("warn", "block")
_ROUNDING = 1.01
"""Positions and thicknesses are written with a few digits; 5.0 must pass as 5."""


def refuse_too_short(coverage_mm: float, where: str = "") -> None:
    """Raise StudyRefused where too few vertebrae can lie in the scan; ``where`` names a part of it in the sentence."""
    if coverage_mm * _ROUNDING < MIN_COVERAGE_MM:
        raise StudyRefused(
            Code.TOO_SHORT,
            f"the scan covers {coverage_mm:.0f} mm{' ' * bool(where)}{where}; {MIN_COVERAGE_MM:.0f} mm and more are "
            "accepted",
        )


def thickness_flags(slice_mm: float) -> tuple[Code, ...]:
    """Flags for a slice thickness or distance; StudyRefused where a vertebra would span too few slices."""
    if slice_mm > MAX_THICKNESS_MM * _ROUNDING:
        raise StudyRefused(
            Code.SLICE_TOO_THICK, f"slices of {slice_mm:.2f} mm; up to {MAX_THICKNESS_MM:.0f} mm are accepted"
        )
    return (Code.THICK_SLICES,) if slice_mm > THICK_FROM_MM * _ROUNDING else ()


def age_flags(age_years: float | None, policy: str) -> tuple[Code, ...]:
    """Flags for the age; under the policy ``block``, StudyRefused instead of a flag."""
    if age_years is None:
        code, found = Code.AGE_UNKNOWN, "the patient's age is not known"
    elif age_years < MIN_AGE_YEARS:
        code, found = Code.AGE_UNDER_50, f"the patient is under {MIN_AGE_YEARS}"
    else:
        return ()
    if policy == "block":
        raise StudyRefused(code, f"{found}; {MIN_AGE_YEARS} years and over are accepted under this age policy")
    return (code,)


def refuse_too_big(slices: int, rows: int, columns: int) -> None:
    """Raise StudyRefused where the volume would not fit one request, before anything is allocated for it."""
    size = 2 * slices * rows * columns
    if size > MAX_VOLUME_BYTES:
        raise StudyRefused(
            Code.TOO_LARGE,
            f"{slices} slices of {rows} × {columns} make {size / 2**30:.1f} GiB; less than 2 GiB are accepted",
        )
