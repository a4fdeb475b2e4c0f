# SPDX-License-Identifier: Apache-2.0
"""Gantry tilt undone: a sheared stack resampled so that its axes are perpendicular again."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vcf_client.hounsfield import LOWEST_HU

_BONE_HU = 250
_ABOUT_SPINE_MM = 20.0
"""The reach to either side of the middle of the bones: vertebral bodies and canal. A void in front of them looks like
lung."""


@dataclass(frozen=True)
class Upright:
    """A stack with its tilt taken out.

    hu, affine
        The volume with perpendicular axes; what no slice covered is air.
    axis
        The one that leaned, 1 or 2.
    starts, stops
        (lines,) along that axis: the first slice that holds values of the stack, and the one behind the last.
    """

    hu: NDArray[np.int16]
    affine: NDArray[np.float64]
    axis: int
    starts: NDArray[np.int_]
    stops: NDArray[np.int_]

    def about_spine(self) -> tuple[int, int]:
        """First slice and the one behind the last that the stack covers wherever patches can lie.

        The spine is where the bones of the middle third are. Beyond these slices its patches would hold the void that
        the tilt left. All slices where there is no bone, or nothing is covered so far.
        """
        bone = np.moveaxis(self.hu[:, ::2, ::2] > _BONE_HU, self.axis, 1)
        third = bone.shape[2] // 3
        counts = np.cumsum(np.count_nonzero(bone[:, :, third : bone.shape[2] - third], axis=(0, 2)))
        if not len(counts) or counts[-1] == 0:
            return 0, len(self.hu)
        middle = 2 * int(np.searchsorted(counts, counts[-1] / 2))
        reach = round(_ABOUT_SPINE_MM / float(np.linalg.norm(self.affine[:3, self.axis])))
        near = slice(max(0, middle - reach), middle + reach + 1)
        start, stop = int(self.starts[near].max()), int(self.stops[near].min())
        return (start, stop) if start < stop else (0, len(self.hu))


def unshear(stored: NDArray[np.int16], affine: NDArray[np.float64]) -> Upright:
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
    starts, stops = np.zeros(lines, int), np.zeros(lines, int)
    for line in range(lines):
        shift = rise * line - start  # of this line's first slice in the upright volume
        below = int(np.floor(shift))
        share = shift - below
        values = leaning[:, line].astype(np.float32)
        if share < 1e-6:
            upright[below : below + slices, line] = leaning[:, line]
            starts[line], stops[line] = below, below + slices
            continue
        # upright slice m lies between m - 1 and m of the stack; at its ends it is kept where a slice covers its centre
        padded = np.concatenate([values[:1], values, values[-1:]])
        mixed = np.rint(padded[:-1] * share + padded[1:] * (1 - share))
        first, last = int(share > 0.5), slices + int(share >= 0.5)
        starts[line], stops[line] = below + first, below + last
        upright[starts[line] : stops[line], line] = mixed[first:last]
    corrected = affine.copy()
    corrected[:3, 1 + axis] -= rise * step
    corrected[:3, 3] += start * step
    return Upright(np.moveaxis(upright, 1, 1 + axis), corrected, 1 + axis, starts, stops)
