# SPDX-License-Identifier: Apache-2.0
"""Tell how many patches, and at which heights: the column tiled completely, with minimal overlap (paper §2.2) or
more."""

import math

import numpy as np
from numpy.typing import NDArray

from vcf_contract.spec import MAX_PATCHES

LEAST_STEP = 0.25
"""A patch at a fixed height that is nearer to the first or last one than this share of the usual step is left out: it
would show the same once more."""
_EXACT = 1e-6


def patch_count(length_mm: float, height_mm: float, overlap: float = 0.0) -> int:
    """k patches cover a column of length L; a column shorter than one patch gets one.

    Neighbours share at least ``overlap`` of their height: k = max(2, ⌈(L − h)/((1 − overlap)·h)⌉ + 1), which is
    max(2, ⌈L/h⌉) without. Of a column that would need more than ``MAX_PATCHES`` for it, neighbours share less.
    """
    if length_mm < height_mm:
        return 1
    least = max(2, math.ceil(length_mm / height_mm - 1e-6))
    wanted = math.ceil((length_mm - height_mm) / ((1 - overlap) * height_mm) - 1e-6) + 1
    return max(least, min(wanted, MAX_PATCHES))


def patch_centres_mm(
    top_mm: float, bottom_mm: float, height_mm: float, overlap: float = 0.0, location_mm: float | None = None
) -> NDArray[np.float64]:
    """Heights z (k,) of the patch centres from head to feet.

    The first patch begins at the top of the column and the last one ends at its bottom. A column shorter
    than one patch gets one patch about its middle.

    Between these two, patches that overlap lie at fixed heights in the patient, multiples of their distance
    (1 − ``overlap``)·h: a vertebra is cut in the same way wherever the scan begins and ends. The first and the last
    distance are then a quarter of it longer at most. Where ``location_mm`` is not known, where patches do not overlap,
    or would be more than ``MAX_PATCHES``, they are evenly spaced, at (L − h)/(k − 1).

    Parameters
    ----------
    location_mm
        Where height 0 lies in the patient; None if that is not known.
    """
    length_mm = top_mm - bottom_mm
    k = patch_count(length_mm, height_mm, overlap)
    if k == 1:
        return np.array([(top_mm + bottom_mm) / 2])
    first_mm, last_mm = top_mm - height_mm / 2, bottom_mm + height_mm / 2
    if overlap and location_mm is not None:
        step_mm = (1 - overlap) * height_mm
        least_mm = LEAST_STEP * step_mm
        centres = multiples_between(last_mm + least_mm, first_mm - least_mm, step_mm, location_mm)[::-1]
        if len(centres) + 2 <= MAX_PATCHES:
            return np.array([first_mm, *centres, last_mm])
    return np.linspace(first_mm, last_mm, k)


def multiples_between(low_mm: float, high_mm: float, step_mm: float, location_mm: float) -> NDArray[np.float64]:
    """Heights, ascending, from ``low_mm`` to ``high_mm`` that lie a multiple of ``step_mm`` away from the patient's
    origin, if height 0 lies at ``location_mm``."""
    first = math.ceil((low_mm + location_mm) / step_mm - _EXACT)
    last = math.floor((high_mm + location_mm) / step_mm + _EXACT)
    return np.arange(first, last + 1) * step_mm - location_mm


def locations(centres_mm: NDArray[np.float64], top_mm: float, bottom_mm: float) -> NDArray[np.float32]:
    """Relative position (k,) of each patch centre, 0 cranial to 1 caudal (paper §2.3 "location descriptor").

    Relative to the covered spine, not to anatomy: the same vertebra has another location in another scan.
    """
    return np.asarray((top_mm - centres_mm) / (top_mm - bottom_mm), np.float32)
