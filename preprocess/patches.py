# SPDX-License-Identifier: Apache-2.0
"""Volume and centre line in, 3-D patches along the spine out (paper §2.2).

A patch row follows the centre line, so the canal keeps its place in every patch whatever the kyphosis. Fourier
resampling and resizing are linear, hence one small matrix takes the slices straight to the 32 rows of a patch:
neither the resampled volume nor the sagittal one is ever formed.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from preprocess.centre_line import CentreLine
from preprocess.fourier import resampled_length, resampling_matrix
from preprocess.spec import FOURIER_MODE, MAX_PATCHES, PATCH, FourierMode, PatchSpec
from preprocess.tent import AIR_HU, support, tent_weights
from preprocess.tiling import locations, patch_centres_mm, patch_count
from vcf.errors import Code, StudyRefused

Spacing = tuple[float, float, float]


@dataclass(frozen=True)
class PatchSet:
    """k patches from head to feet.

    patches
        (k, H, W, Z) in [0, 1]: rows head to feet, columns front to back, then right to left.
    location
        (k,) relative position of the centre, 0 cranial to 1 caudal.
    boxes_mm
        (k, 6) x0, y0, z0, x1, y1, z1 of the box about each patch, in mm from the centre of voxel (0, 0, 0).
    """

    patches: NDArray[np.float32]
    location: NDArray[np.float32]
    boxes_mm: NDArray[np.float32]


def extract(
    hu: NDArray[np.int16],
    spacing_mm: Spacing,
    line: CentreLine,
    spec: PatchSpec = PATCH,
    mode: FourierMode = FOURIER_MODE,
) -> PatchSet:
    """Tile the covered spine with patches and window them.

    Raises
    ------
    StudyRefused
        ``TOO_LONG`` if the spine needs more than ``MAX_PATCHES`` patches.
    """
    dz, dy, dx = spacing_mm
    points = line.points_mm
    top_mm, bottom_mm = float(points[-1, 2]) + dz / 2, float(points[0, 2]) - dz / 2
    if (k := patch_count(top_mm - bottom_mm, spec.height_mm)) > MAX_PATCHES:
        raise StudyRefused(
            Code.TOO_LONG,
            f"{top_mm - bottom_mm:.0f} mm of spine need {k} patches, at most {MAX_PATCHES} are accepted",
        )
    centres_mm = patch_centres_mm(top_mm, bottom_mm, spec.height_mm)
    height, width, depth = spec.grid
    heights_mm = centres_mm[:, None] + spec.height_mm * (0.5 - (np.arange(height) + 0.5) / height)
    behind_mm = -spec.anterior_mm + (np.arange(width) + 0.5) / width * (spec.anterior_mm + spec.posterior_mm)
    left_mm = spec.half_width_mm * ((np.arange(depth) + 0.5) / depth * 2 - 1)
    line_x, line_y = (np.interp(heights_mm, points[:, 2], points[:, i]) for i in (0, 1))

    n_rows = resampled_length(len(hu), dz, dy)
    row_mm = dz * len(hu) / n_rows
    fourier = resampling_matrix(len(hu), n_rows, mode)
    along_z = tent_weights(heights_mm, n_rows, row_mm, spec.height_mm / height)
    along_y = tent_weights(line_y[..., None] + behind_mm, hu.shape[1], dy, (spec.box_mm[1]) / width)
    along_x = tent_weights(line_x[..., None] + left_mm, hu.shape[2], dx, spec.box_mm[2] / depth)

    patches = np.empty((len(centres_mm), *spec.grid), np.float32)
    for patch, z, y, x in zip(patches, along_z, along_y, along_x, strict=True):
        patch[:] = _sample(hu, z @ fourier, y, x)
    low, high = spec.window_hu
    np.clip(patches, low, high, out=patches)
    patches -= low
    patches /= high - low
    boxes = [
        line_x.min(1) - spec.half_width_mm,
        line_y.min(1) - spec.anterior_mm,
        centres_mm - spec.height_mm / 2,
        line_x.max(1) + spec.half_width_mm,
        line_y.max(1) + spec.posterior_mm,
        centres_mm + spec.height_mm / 2,
    ]
    return PatchSet(patches, locations(centres_mm, top_mm, bottom_mm), np.stack(boxes, -1).astype(np.float32))


def _sample(
    hu: NDArray[np.int16], z: NDArray[np.float32], y: NDArray[np.float32], x: NDArray[np.float32]
) -> NDArray[np.float32]:
    """One patch in HU: weights z (H, slices), y (H, W, rows) and x (H, Z, columns); y and x differ from row to row."""
    in_y, in_x = support(y), support(x)
    crop = hu[:, in_y, in_x].astype(np.float32)
    crop -= AIR_HU  # so that no weight at all reads as air
    rows = (z @ crop.reshape(len(hu), -1)).reshape(len(z), *crop.shape[1:])
    patch: NDArray[np.float32] = y[..., in_y] @ rows @ x[..., in_x].transpose(0, 2, 1)
    patch += AIR_HU
    return patch
