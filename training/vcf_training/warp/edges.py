# SPDX-License-Identifier: Apache-2.0
"""Landmarks moved onto the endplates that the CT shows: labels are coarser than the picture, eyes less exact."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, map_coordinates

from vcf_training.phantom.vertebra import LANDMARK
from vcf_training.warp.body import Body

SEARCH_MM = 3.0
STEP_MM = 0.25
BLUR_MM = 0.6
PRIOR_MM = 2.0
"""Standard deviation of where an edge is expected about its landmark."""
APART_MM = 1.5
"""A landmark that moves this much more than the others of its endplate has met another edge."""
SIDE_MM = (-6.0, -3.0, 0.0, 3.0, 6.0)

Array = NDArray[np.float64]


def refined(body: Body, hu: NDArray[np.int16], spacing_mm: tuple[float, float, float]) -> Body:
    """The same body, its landmarks at the steepest descent from bone to disc within ``SEARCH_MM``."""
    upper = body.upper + _shifts(body, body.upper, +1, hu, spacing_mm)
    lower = body.lower - _shifts(body, body.lower, -1, hu, spacing_mm)
    return Body(body.level, body.origin, body.axes, body.depth_mm, body.width_mm, upper, lower)


def _shifts(
    body: Body, plate: Array, outward: int, hu: NDArray[np.int16], spacing_mm: tuple[float, float, float]
) -> Array:
    """(3,) outward motion of an endplate's landmarks."""
    offsets = np.arange(-SEARCH_MM - 2, SEARCH_MM + 2 + STEP_MM / 2, STEP_MM)
    v0 = body.depth_mm * np.array((-LANDMARK, 0.0, LANDMARK))
    around = body.depth_mm * np.linspace(-0.06, 0.06, 3)
    u, near, which, offset = np.meshgrid(SIDE_MM, around, np.arange(3), offsets, indexing="ij")
    points = body.to_scan(np.stack((u, v0[which] + near, plate[which] + outward * offset), axis=-1))
    index = [points[..., axis] / spacing for axis, spacing in zip((2, 1, 0), spacing_mm, strict=True)]
    profile = map_coordinates(hu, index, output=np.float64, order=1, mode="nearest").mean(axis=(0, 1))
    descent = -np.gradient(gaussian_filter1d(profile, BLUR_MM / STEP_MM, axis=1), STEP_MM, axis=1)
    descent[:, np.abs(offsets) > SEARCH_MM] = 0
    best = offsets[(np.maximum(descent, 0) * np.exp(-0.5 * (offsets / PRIOR_MM) ** 2)).argmax(axis=1)]
    median = np.median(best)
    return np.where(np.abs(best - median) > APART_MM, median, best)
