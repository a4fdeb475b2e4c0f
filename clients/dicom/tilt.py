# SPDX-License-Identifier: Apache-2.0
"""Gantry tilt undone: a sheared stack resampled so that its axes are perpendicular again."""

import numpy as np
from numpy.typing import NDArray

from clients.hounsfield import LOWEST_HU


def unshear(stored: NDArray[np.int16], affine: NDArray[np.float64]) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
    """Shift every row (or column) along the table by its own height, with linear interpolation between slices.

    A tilted gantry stacks slices along the table while they lean towards it: a row's height depends on its place in
    the slice. Interpolating along the stack only keeps the resolution within the slices, and gives axial slices of
    the patient. The result is taller than the stack; what no slice covered is air.

    Parameters
    ----------
    stored
        (slice, row, column).
    affine
        4 × 4, maps its indices to LPS mm; either its second or its third axis leans towards the first.

    Returns
    -------
    The volume with perpendicular axes, and its affine.
    """
    step = affine[:3, 0]
    lean = affine[:3, 1:3].T @ step / (step @ step)  # slices that one row, one column rises
    axis = int(np.abs(lean).argmax())
    rise = float(lean[axis])
    leaning = np.moveaxis(stored, 1 + axis, 1)
    slices, lines, width = leaning.shape
    lowest = min(0.0, rise * (lines - 1))
    start = int(np.floor(lowest))
    height = slices + int(np.ceil(max(0.0, rise * (lines - 1)))) - start
    upright = np.full((height, lines, width), LOWEST_HU, np.int16)
    for line in range(lines):
        shift = rise * line - start  # of this line's first slice in the upright volume
        below = int(np.floor(shift))
        share = shift - below
        values = leaning[:, line].astype(np.float32)
        if share < 1e-6:
            upright[below : below + slices, line] = leaning[:, line]
            continue
        # upright slice m lies between m - 1 and m of the stack; at its ends it is kept where a slice covers its centre
        padded = np.concatenate([values[:1], values, values[-1:]])
        mixed = np.rint(padded[:-1] * share + padded[1:] * (1 - share))
        first, last = int(share > 0.5), slices + int(share >= 0.5)
        upright[below + first : below + last, line] = mixed[first:last]
    corrected = affine.copy()
    corrected[:3, 1 + axis] -= rise * step
    corrected[:3, 3] += start * step
    return np.moveaxis(upright, 1, 1 + axis), corrected
