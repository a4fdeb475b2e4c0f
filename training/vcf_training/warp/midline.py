# SPDX-License-Identifier: Apache-2.0
"""The spinal canal from vertebra labels alone: the gap between a body and its arch in the median plane."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects, gaussian_filter1d, median_filter

HALF_SLAB_MM = 3.0
GAP_MM = (6.0, 32.0)
"""Antero-posterior extent that a canal can have on a slice, an oblique one included."""
MIN_BODY_MM = 8.0
"""Deep enough to be a body: the front of an arch is not."""
SMOOTH_MM = 4.0

Spacing = tuple[float, float, float]


def canal_from_labels(labels: NDArray[np.integer[Any]], spacing_mm: Spacing) -> NDArray[np.float64]:
    """Canal centre x, y (z, 2) in mm from the centre of voxel (0, 0, 0), interpolated between arches, held beyond.

    Parameters
    ----------
    labels
        Canonical (z, y, x), 0 where no vertebra is.

    Raises
    ------
    ValueError
        If no slice shows a body with an arch behind it.
    """
    dz, dy, dx = spacing_mm
    middle_x = _middle_x_mm(labels, spacing_mm)
    heights, centres = [], []
    columns_mm = np.arange(labels.shape[2]) * dx
    for z, x_mm in enumerate(middle_x):
        slab = np.abs(columns_mm - x_mm) <= max(HALF_SLAB_MM, dx / 2 + 1e-6)
        bone = (labels[z][:, slab] > 0).any(axis=1)
        gap = _canal_gap(bone, dy)
        if gap is not None:
            heights.append(z)
            centres.append(gap)
    if not heights:
        raise ValueError("labels show no slice with a vertebral body and an arch behind it; whole vertebrae are needed")
    window = 2 * round(15.0 / dz / 2) + 1
    y = median_filter(np.array(centres), window, mode="nearest")
    y_mm = np.interp(np.arange(len(labels)), heights, y)
    return np.stack([middle_x, gaussian_filter1d(y_mm, SMOOTH_MM / dz, mode="nearest")], axis=1)


def _middle_x_mm(labels: NDArray[np.integer[Any]], spacing_mm: Spacing) -> NDArray[np.float64]:
    """x of the median plane on each slice: vertebrae are symmetric, so it passes through their centroids."""
    dz, _, dx = spacing_mm
    heights, middles = [], []
    for label, box in enumerate(find_objects(labels), start=1):
        if box is not None:
            z, _, x = np.nonzero(labels[box] == label)
            heights.append((z.mean() + box[0].start) * dz)
            middles.append((x.mean() + box[2].start) * dx)
    order = np.argsort(heights)
    return np.interp(np.arange(len(labels)) * dz, np.array(heights)[order], np.array(middles)[order])


def _canal_gap(bone: NDArray[np.bool_], dy: float) -> float | None:
    """Middle in mm of the first gap behind a body that is as long as a canal."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], bone.astype(np.int8), [0]])))
    starts, stops = edges[::2], edges[1::2]
    for i in range(len(starts) - 1):
        body, gap = (stops[i] - starts[i]) * dy, (starts[i + 1] - stops[i]) * dy
        if body >= MIN_BODY_MM and GAP_MM[0] <= gap <= GAP_MM[1]:
            return float((stops[i] + starts[i + 1] - 1) / 2 * dy)
    return None
