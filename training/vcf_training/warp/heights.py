# SPDX-License-Identifier: Apache-2.0
"""Six-point morphometry: the anterior, middle and posterior height of a vertebral body from its label.

In a thin median slab the arch is no trouble: the canal lies between it and the body, so the body is what lies in
front of the canal. Tilt and extent are found in the sagittal projection of that slab.
(Genant et al., J Bone Miner Res 1993;8:1137.)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects, label, map_coordinates

from vcf_preprocess.tent import tent_weights, tent_window
from vcf_training.phantom.vertebra import LANDMARK

SLAB_MM = 6.0
"""Left-right, at half weight; narrower than the distance between the pedicles at any level."""
STEP_MM = 0.25
WINDOW = 0.06
"""Half width of a landmark's averaging window, as a share of the body's depth."""
BESIDE_MM = 15.0
"""Part of the canal above and below a body's middle that tells its direction."""
STEEP = 2.5
"""Slope of the border against the body's depth that belongs to a wall and no endplate."""
RIM = 0.3
"""The body ends where its height falls below this share of its median height."""

Spacing = tuple[float, float, float]
Array = NDArray[np.float64]


@dataclass(frozen=True)
class SixPoints:
    """Landmarks of one body in the median plane, in mm from the centre of voxel (0, 0, 0).

    ``upper_mm`` and ``lower_mm`` are (3, 2): y, z of the anterior, middle and posterior landmark of each endplate.
    """

    upper_mm: Array
    lower_mm: Array
    depth_mm: float
    """Antero-posterior extent of the body."""
    tilt: float
    """Radians that the body leans forward: its axis points to (−sin, cos) in (y, z)."""

    @property
    def heights_mm(self) -> tuple[float, float, float]:
        """Anterior, middle, posterior."""
        anterior, middle, posterior = np.linalg.norm(self.upper_mm - self.lower_mm, axis=1).tolist()
        return anterior, middle, posterior

    @property
    def centre_mm(self) -> tuple[float, float]:
        """y, z of the body's middle."""
        y, z = np.concatenate([self.upper_mm, self.lower_mm]).mean(axis=0).tolist()
        return y, z


def measure(
    labels: NDArray[np.integer[Any]], names: Mapping[int, str], spacing_mm: Spacing, canal_mm: Array
) -> dict[str, SixPoints]:
    """Measure every labelled vertebra that is whole; those cut by the end of the volume are left out.

    Parameters
    ----------
    labels
        Canonical (z, y, x).
    names
        Level of each label to measure.
    canal_mm
        (z, 2): canal centre x, y of each slice.
    """
    found = {}
    boxes = find_objects(labels)
    for value, level in names.items():
        if value > len(boxes) or (box := boxes[value - 1]) is None or box[0].start == 0 or box[0].stop == len(labels):
            continue
        points = six_points(labels == value, spacing_mm, canal_mm)
        if points is not None:
            found[level] = points
    return found


def six_points(mask: NDArray[np.bool_], spacing_mm: Spacing, canal_mm: Array) -> SixPoints | None:
    """Measure one vertebra from its mask (z, y, x); None where the slab shows no body."""
    dz, dy, _ = spacing_mm
    sagittal, first_z = _body_in_median_slab(mask, spacing_mm, canal_mm)
    if sagittal is None:
        return None
    z, y = np.nonzero(sagittal > 0.5)
    centre = np.array([y.mean() * dy, z.mean() * dz])
    reach = 0.5 * float(np.hypot(np.ptp(y) * dy, np.ptp(z) * dz)) + 3.0
    # The canal runs along the body: its slope is a good start where the spine leans far.
    heights_mm = np.arange(len(canal_mm)) * dz
    beside = np.abs(heights_mm - centre[1] - first_z * dz) <= BESIDE_MM
    tilt = 0.0
    if beside.sum() >= 3:
        tilt = -float(np.arctan(np.polyfit(heights_mm[beside], canal_mm[beside, 1], 1)[0]))
    for _ in range(4):
        v, upper, lower = _profile(sagittal, (dz, dy), centre, tilt, reach)
        if v.size < 8:
            return None
        inner = np.abs(v - (v[0] + v[-1]) / 2) <= 0.4 * (v[-1] - v[0])
        slopes = [np.polyfit(v[inner], plate[inner], 1)[0] for plate in (upper, lower)]
        tilt += float(np.arctan(np.mean(slopes)))
    v, upper, lower = _profile(sagittal, (dz, dy), centre, tilt, reach)
    back, up = _axes(tilt)
    plates, depths = [], []
    for plate in (upper, lower):
        span = _without_walls(plate)
        depths.append(float(v[span][-1] - v[span][0]) + STEP_MM)
        at = (v[span][0] + v[span][-1]) / 2 + depths[-1] * np.array((-LANDMARK, 0.0, LANDMARK))
        w = [plate[np.abs(v - a) <= WINDOW * depths[-1]].mean() for a in at]
        plates.append(centre + np.outer(at, back) + np.outer(w, up) + (0, first_z * dz))
    return SixPoints(plates[0], plates[1], float(np.mean(depths)), tilt)


def _without_walls(plate: Array) -> slice:
    """The border without those ends that run down the anterior or posterior wall: a wedge's walls lie askew."""
    step = round(1.0 / STEP_MM)
    steep = np.abs(plate[step:] - plate[:-step]) > STEEP * step * STEP_MM
    most = len(plate) // 5
    first = int(np.argmin(steep[:most])) if not steep[:most].all() else most
    last = int(np.argmin(steep[::-1][:most])) if not steep[::-1][:most].all() else most
    return slice(first, len(plate) - last)


def _axes(tilt: float) -> tuple[Array, Array]:
    """Back and up in (y, z) of a body that leans forward by ``tilt``."""
    return np.array((np.cos(tilt), np.sin(tilt))), np.array((-np.sin(tilt), np.cos(tilt)))


def _body_in_median_slab(
    mask: NDArray[np.bool_], spacing_mm: Spacing, canal_mm: Array
) -> tuple[NDArray[np.float32] | None, int]:
    """Sagittal projection (z, y) of the body, as the share of the slab that it fills, and its first slice."""
    _, dy, dx = spacing_mm
    rows = np.flatnonzero(mask.any(axis=(1, 2)))
    if not len(rows):
        return None, 0
    first, stop = max(rows[0] - 1, 0), rows[-1] + 2
    part = mask[first:stop]
    x_mm, canal_y_mm = canal_mm[first : first + len(part)].T
    x_mm = np.clip(x_mm, 0, (mask.shape[2] - 1) * dx)
    window = tent_window(x_mm, mask.shape[2], dx, SLAB_MM)
    across = tent_weights(x_mm, mask.shape[2], dx, SLAB_MM, window)
    sagittal = (part[:, :, window].astype(np.float32) @ across[..., None])[..., 0]
    sagittal[np.arange(mask.shape[1]) * dy > canal_y_mm[:, None]] = 0
    pieces, count = label(sagittal > 0.5)
    if not count:
        return None, first
    largest = 1 + int(np.argmax(np.bincount(pieces.ravel())[1:]))
    sagittal[(pieces != largest) & (pieces > 0)] = 0
    return sagittal, int(first)


def _profile(
    sagittal: NDArray[np.float32], spacing_mm: tuple[float, float], centre: Array, tilt: float, reach: float
) -> tuple[Array, Array, Array]:
    """v across the body's depth, and w of its upper and lower border there, in its own axes about ``centre``."""
    dz, dy = spacing_mm
    back, up = _axes(tilt)
    grid = np.arange(-reach, reach + STEP_MM, STEP_MM)
    y = (centre[0] + grid[:, None] * back[0] + grid * up[0]) / dy
    z = (centre[1] + grid[:, None] * back[1] + grid * up[1]) / dz
    inside = map_coordinates(sagittal, [z, y], order=1) > 0.5
    height = inside.sum(axis=1) * STEP_MM
    body = np.flatnonzero(height > RIM * np.median(height[height > 0])) if inside.any() else np.empty(0, int)
    if not len(body):
        return np.empty(0), np.empty(0), np.empty(0)
    span = slice(body[0], body[-1] + 1)
    filled = inside[span]
    upper = grid[len(grid) - 1 - filled[:, ::-1].argmax(axis=1)] + STEP_MM / 2
    lower = grid[filled.argmax(axis=1)] - STEP_MM / 2
    return grid[span], upper, lower
