# SPDX-License-Identifier: Apache-2.0
"""Decoding of the detector's YOLOv2 head (Redmon and Farhadi 2017, §2 "Direct location prediction")."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from vcf_contract.spec import DETECTOR, DetectorSpec

MAX_LOG_SCALE = 4.0
"""Bound on tw and th, so that an untrained or broken head gives a large box and not an overflow."""


@dataclass(frozen=True)
class Boxes:
    """The best box of each of n slices, in detector pixels with 0 at the image's edge.

    confidence
        (n,), 0 to 1.
    centre_px
        (n, 2), x then y.
    size_px
        (n, 2), width then height.
    """

    confidence: NDArray[np.float64]
    centre_px: NDArray[np.float64]
    size_px: NDArray[np.float64]


def decode(canal_grid: NDArray[Any], spec: DetectorSpec = DETECTOR) -> Boxes:
    """Decode raw heads (n, grid, grid, 5·anchors) into the box of highest confidence of each slice.

    A slice holds one canal, and the best box is the one that non-maximum suppression would keep first, so
    none is needed.

    Raises
    ------
    ValueError
        If the shape is not the head's, or a value is not finite.
    """
    expected = (spec.grid, spec.grid, spec.head_channels)
    if canal_grid.ndim != 4 or canal_grid.shape[1:] != expected:
        raise ValueError(f"canal_grid must have shape (n, {expected}), found {canal_grid.shape}")
    if not np.isfinite(canal_grid).all():
        raise ValueError("canal_grid must be finite, found NaN or infinity")
    n = len(canal_grid)
    anchors_px = np.asarray(spec.anchors_mm) / spec.pixel_mm
    raw = np.asarray(canal_grid, np.float64).reshape(n, -1, 5)  # cells row by row, anchors within a cell
    best = raw[..., 4].argmax(1)
    tx, ty, tw, th, to = raw[np.arange(n), best].T
    cell, anchor = np.divmod(best, len(anchors_px))
    row, column = np.divmod(cell, spec.grid)
    centre = np.stack([expit(tx) + column, expit(ty) + row], -1) * spec.stride_px
    scale = np.exp(np.minimum(np.stack([tw, th], -1), MAX_LOG_SCALE))
    return Boxes(expit(to), centre, anchors_px[anchor] * scale)
