# SPDX-License-Identifier: Apache-2.0
"""The reconstructed mid-sagittal view: the plane that follows the canal left and right (paper §2.2, Figure 4)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vcf_contract.spec import FOURIER_MODE, SAGITTAL, FourierMode, SagittalSpec
from vcf_preprocess.centre_line import CentreLine
from vcf_preprocess.crop import Crop, Window, as_crop
from vcf_preprocess.fourier import resample_columns, resampled_length
from vcf_preprocess.tent import tent_weights, tent_window


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


def window(
    shape: tuple[int, ...], spacing_mm: tuple[float, float, float], line: CentreLine, spec: SagittalSpec = SAGITTAL
) -> Window:
    """The rows and columns of a volume of this shape that `midsagittal` reads."""
    _, dy, dx = spacing_mm
    points = line.points_mm
    y0 = max(0, int(np.floor((points[:, 1].min() - spec.anterior_mm) / dy)))
    y1 = min(shape[1], int(np.ceil((points[:, 1].max() + spec.posterior_mm) / dy)) + 1)
    if y1 <= y0:  # a centre line outside the picture: keep one column rather than none
        y0, y1 = min(y0, shape[1] - 1), min(y0, shape[1] - 1) + 1
    return Window(slice(y0, y1), tent_window(_plane_x(shape, spacing_mm, line), shape[2], dx, spec.slab_mm))


def midsagittal(
    hu: NDArray[np.int16] | Crop,
    spacing_mm: tuple[float, float, float],
    line: CentreLine,
    spec: SagittalSpec = SAGITTAL,
    mode: FourierMode = FOURIER_MODE,
) -> SagittalView:
    """Reconstruct the mid-sagittal view over all slices of a volume, or of as much of its `window` as a crop holds.

    The paper's order: the view first, then each of its columns by Fourier transform to square pixels. Beyond the
    covered spine the plane stays where it was. A crop that ends in front of or behind the spine gives a narrower
    picture.

    Raises
    ------
    StudyRefused
        ``BAD_INPUT`` if a crop lacks voxels.
    """
    crop = as_crop(hu)
    n_slices, _, n_x = crop.shape
    dz, dy, dx = spacing_mm
    reach = crop.rows_held(window(crop.shape, spacing_mm, line, spec))
    across = tent_weights(_plane_x(crop.shape, spacing_mm, line), n_x, dx, spec.slab_mm, reach.x)
    slab, across = _within_reach(crop.take(reach), across)
    view = (slab.astype(np.float32) @ across[..., None])[..., 0]
    n_rows = resampled_length(n_slices, dz, dy)
    row_mm = dz * n_slices / n_rows
    picture = resample_columns(view, n_rows, mode)[::-1]
    place = np.array([(n_rows - 1) * row_mm, reach.y.start * dy, row_mm, dy], np.float32)
    return SagittalView(np.clip(np.rint(picture), -1024, 32767).astype(np.int16), place)


def _within_reach(
    slab: NDArray[np.int16], across: NDArray[np.float32]
) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
    """Take from voxels (z, y, x) and weights (z, x) as many columns of each slice as its weights reach, from the
    first on."""
    used = across > 0
    width = max(1, int(used.sum(1).max(initial=0)))
    first = np.minimum(used.argmax(1), across.shape[1] - width)
    slice_index = np.arange(len(slab))
    columns = first[:, None] + np.arange(width)
    near = np.lib.stride_tricks.sliding_window_view(slab, width, axis=2)[slice_index, :, first]
    return near, across[slice_index[:, None], columns]


def _plane_x(shape: tuple[int, ...], spacing_mm: tuple[float, float, float], line: CentreLine) -> NDArray[np.float64]:
    """Tell where the plane lies left and right on each slice, within the volume."""
    points = line.points_mm
    plane_x = np.interp(np.arange(shape[0]) * spacing_mm[0], points[:, 2], points[:, 0])
    return np.clip(plane_x, 0, (shape[2] - 1) * spacing_mm[2])
