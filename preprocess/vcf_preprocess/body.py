# SPDX-License-Identifier: Apache-2.0
"""Tell which slices of a volume show a body: where there is none there is no spine, no centre line and no patch."""

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TISSUE_HU = -300
_BLOCK_MM = 8.0
"""The shells of a table are thinner, a body is not."""
_FULL = 0.9
_MIN_BODY_MM2 = 1500.0
"""A neck has five times as much; the canal and its bones alone have about as much."""
_MIN_SHARE = 0.05
"""The share that is enough in a slice that is cropped so closely that it could not show as much."""


def shows_body(hu: NDArray[Any], pixel_mm: tuple[float, float]) -> bool:
    """Tell whether a slice (rows, columns) shows a body: tissue in one piece rather than air, a table, or a single
    value.

    pixel_mm
        Between rows, between columns.
    """
    tissue = hu > _TISSUE_HU
    if not tissue.any() or np.ptp(hu[tissue]) == 0:
        return False
    rows, columns = (max(1, min(round(_BLOCK_MM / mm), n)) for mm, n in zip(pixel_mm, hu.shape, strict=True))
    height, width = hu.shape[0] // rows * rows, hu.shape[1] // columns * columns
    blocks = tissue[:height, :width].reshape(height // rows, rows, width // columns, columns).mean((1, 3)) >= _FULL
    area_mm2 = float(np.count_nonzero(blocks)) * rows * columns * pixel_mm[0] * pixel_mm[1]
    slice_mm2 = hu.size * pixel_mm[0] * pixel_mm[1]
    return area_mm2 >= min(_MIN_BODY_MM2, _MIN_SHARE * slice_mm2)


def body_slices(
    hu: NDArray[Any], pixel_mm: tuple[float, float], missing: Collection[int] = ()
) -> tuple[int, int] | None:
    """First slice (slices, rows, columns) that shows a body, and the one behind the last; None if no slice does.

    ``missing`` slices show nothing. From both ends no further slice is looked at than the first with a body.
    """
    upwards = (k for k in range(len(hu)) if k not in missing and shows_body(hu[k], pixel_mm))
    downwards = (k for k in range(len(hu) - 1, -1, -1) if k not in missing and shows_body(hu[k], pixel_mm))
    first = next(upwards, None)
    return None if first is None else (first, next(downwards) + 1)
