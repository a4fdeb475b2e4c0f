# SPDX-License-Identifier: Apache-2.0
"""Tell how many patches, and at which heights: the column tiled completely, with minimal overlap (paper §2.2) or
more."""

import math

import numpy as np
from numpy.typing import NDArray

from vcf_contract.spec import MAX_PATCHES


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


def patch_centres_mm(top_mm: float, bottom_mm: float, height_mm: float, overlap: float = 0.0) -> NDArray[np.float64]:
    """Heights z (k,) of the patch centres from head to feet, evenly spaced at (L − h)/(k − 1).

    The first patch begins at the top of the column and the last one ends at its bottom. A column shorter
    than one patch gets one patch about its middle.
    """
    length_mm = top_mm - bottom_mm
    k = patch_count(length_mm, height_mm, overlap)
    if k == 1:
        return np.array([(top_mm + bottom_mm) / 2])
    return np.linspace(top_mm - height_mm / 2, bottom_mm + height_mm / 2, k)


def locations(centres_mm: NDArray[np.float64], top_mm: float, bottom_mm: float) -> NDArray[np.float32]:
    """Relative position (k,) of each patch centre, 0 cranial to 1 caudal (paper §2.3 "location descriptor").

    Relative to the covered spine, not to anatomy: the same vertebra has another location in another scan.
    """
    return np.asarray((top_mm - centres_mm) / (top_mm - bottom_mm), np.float32)
