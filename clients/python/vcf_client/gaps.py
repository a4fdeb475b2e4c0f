# SPDX-License-Identifier: Apache-2.0
"""Slices that are missing inside a scan, or hold a single value, filled in from their neighbours where they are few."""

import numpy as np
from numpy.typing import NDArray

from vcf_contract.errors import Code, StudyRefused

MAX_FILLED = 2
_LOOK_EVERY = 16


def fill_gaps(hu: NDArray[np.int16], missing: list[bool]) -> tuple[Code, ...]:
    """Fill in place what is missing or a single value, and say so; the first and the last slice must show a body.

    A picture of one value is none: exports write it where they could not read one.

    Raises
    ------
    StudyRefused
        ``MISSING_SLICES`` if there are more than may be filled.
    """
    gaps = [gone or _is_single_value(slice_) for gone, slice_ in zip(missing, hu, strict=True)]
    if sum(gaps) > MAX_FILLED:
        raise StudyRefused(
            Code.MISSING_SLICES,
            f"{sum(gaps)} slices inside the scan are missing or hold a single value; up to {MAX_FILLED} are accepted",
        )
    if not any(gaps):
        return ()
    interpolate_missing(hu, gaps)
    return (Code.SLICES_FILLED,)


def interpolate_missing(hu: NDArray[np.int16], missing: list[bool]) -> None:
    """Interpolate missing slices linearly, in place; the first and the last slice must be there."""
    for i in (i for i, gone in enumerate(missing) if gone):
        below = next(j for j in range(i - 1, -1, -1) if not missing[j])
        above = next(j for j in range(i + 1, len(missing)) if not missing[j])
        share = (i - below) / (above - below)
        hu[i] = np.rint(hu[below] * np.float32(1 - share) + hu[above] * np.float32(share))


def _is_single_value(hu: NDArray[np.int16]) -> bool:
    some = hu[::_LOOK_EVERY, ::_LOOK_EVERY]
    return bool(some.min() == some.max()) and bool(hu.min() == hu.max())
