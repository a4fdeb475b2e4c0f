# SPDX-License-Identifier: Apache-2.0
"""The reconstructed mid-sagittal view: the plane that follows the canal left and right (paper §2.2, Figure 4)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from preprocess.centre_line import CentreLine
from preprocess.fourier import resample_columns, resampled_length
from preprocess.spec import FOURIER_MODE, SAGITTAL, FourierMode, SagittalSpec
from preprocess.tent import tent_weights, tent_window


@dataclass(frozen=True)
class SagittalView:
    """A picture and where it lies.

    hu
        int16 (rows, columns), row 0 cranial, column 0 anterior.
    place_mm
        (4,): z of row 0 and y of column 0 in mm from the centre of voxel (0, 0, 0); row pitch; column pitch.
        Rows go down, so row r lies at z − r·pitch.
    """

    hu: NDArray[np.int16]
    place_mm: NDArray[np.float32]


def midsagittal(
    hu: NDArray[np.int16],
    spacing_mm: tuple[float, float, float],
    line: CentreLine,
    spec: SagittalSpec = SAGITTAL,
    mode: FourierMode = FOURIER_MODE,
) -> SagittalView:
    """Reconstruct the mid-sagittal view over all slices of the volume and resample it to square pixels.

    The paper's order: the view first, then each of its columns by Fourier transform. Beyond the covered spine
    the plane stays where it was.
    """
    dz, dy, dx = spacing_mm
    points = line.points_mm
    y0 = max(0, int(np.floor((points[:, 1].min() - spec.anterior_mm) / dy)))
    y1 = min(hu.shape[1], int(np.ceil((points[:, 1].max() + spec.posterior_mm) / dy)) + 1)
    if y1 <= y0:  # a centre line outside the picture: keep one column rather than none
        y0, y1 = min(y0, hu.shape[1] - 1), min(y0, hu.shape[1] - 1) + 1
    plane_x = np.interp(np.arange(len(hu)) * dz, points[:, 2], points[:, 0])
    plane_x = np.clip(plane_x, 0, (hu.shape[2] - 1) * dx)
    in_x = tent_window(plane_x, hu.shape[2], dx, spec.slab_mm)
    across = tent_weights(plane_x, hu.shape[2], dx, spec.slab_mm, in_x)
    slab = hu[:, y0:y1, in_x].astype(np.float32)
    view = (slab @ across[..., None])[..., 0]
    n_rows = resampled_length(len(hu), dz, dy)
    row_mm = dz * len(hu) / n_rows
    picture = resample_columns(view, n_rows, mode)[::-1]
    place = np.array([(n_rows - 1) * row_mm, y0 * dy, row_mm, dy], np.float32)
    return SagittalView(np.clip(np.rint(picture), -1024, 32767).astype(np.int16), place)
