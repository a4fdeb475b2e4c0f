# SPDX-License-Identifier: Apache-2.0
"""A vertebral body in place: its own axes, its endplates as surfaces, its footprint."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vcf_training.phantom.anatomy import level_size
from vcf_training.phantom.vertebra import LANDMARK
from vcf_training.warp.heights import SixPoints

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Body:
    """Axes u left, v back, w up, about the body's middle; lengths in mm.

    origin
        (3,) x, y, z.
    axes
        (3, 3): u, v, w as columns.
    upper, lower
        (3,) w of the anterior, middle and posterior landmark, at −, 0 and + ``LANDMARK`` of the depth.
    """

    level: str
    origin: Array
    axes: Array
    depth_mm: float
    width_mm: float
    upper: Array
    lower: Array

    @classmethod
    def from_six_points(cls, level: str, points: SixPoints, canal_mm: Array, spacing_z_mm: float) -> "Body":
        """Place a body in the median plane that the canal ``canal_mm`` (z, 2) shows.

        Its width follows from its depth by the proportions of its level.
        """
        y, z = points.centre_mm
        heights = np.arange(len(canal_mm)) * spacing_z_mm
        near = np.abs(heights - z) <= 15.0
        x_mm, slope = float(np.interp(z, heights, canal_mm[:, 0])), 0.0
        if near.sum() >= 3:
            slope, x_mm = (float(p) for p in np.polyfit(heights[near] - z, canal_mm[near, 0], 1))
        up = np.array((slope, -np.sin(points.tilt), np.cos(points.tilt)))
        up /= np.linalg.norm(up)
        back = np.array((0.0, np.cos(points.tilt), np.sin(points.tilt)))
        back -= up * (back @ up)
        back /= np.linalg.norm(back)
        axes = np.stack((np.cross(back, up), back, up), axis=1)
        origin = np.array((x_mm, y, z))
        plates = []
        for plate in (points.upper_mm, points.lower_mm):
            offset = plate - (y, z)
            plates.append((offset @ up[1:], offset @ back[1:]))
        at = points.depth_mm * np.array((-LANDMARK, 0.0, LANDMARK))
        upper, lower = (np.polyval(np.polyfit(v, w, 2), at) for w, v in plates)
        size = level_size(level)
        return cls(level, origin, axes, points.depth_mm, points.depth_mm * size.width_mm / size.depth_mm, upper, lower)

    @property
    def heights_mm(self) -> Array:
        """(3,) anterior, middle, posterior."""
        return self.upper - self.lower

    @property
    def landmarks_mm(self) -> Array:
        """(2, 3, 3): upper and lower; anterior, middle, posterior; x, y, z."""
        v = self.depth_mm * np.array((-LANDMARK, 0.0, LANDMARK))
        local = np.stack([np.stack((np.zeros(3), v, w), axis=1) for w in (self.upper, self.lower)])
        return self.to_scan(local)

    def to_local(self, points_mm: Array) -> Array:
        """Map points (…, 3) x, y, z to u, v, w."""
        return (points_mm - self.origin) @ self.axes

    def to_scan(self, local: Array) -> Array:
        """Inverse of ``to_local``."""
        return local @ self.axes.T + self.origin

    def endplates(self, u: Array, v: Array) -> tuple[Array, Array]:
        """w of the upper and the lower endplate over (u, v), constant beyond the footprint.

        A parabola through the landmarks front to back; left to right a dish as deep as that parabola's.
        """
        inside_u = np.clip(u / (LANDMARK * self.width_mm), -1.2, 1.2)
        inside_v = np.clip(v / (LANDMARK * self.depth_mm), -1.2, 1.2)
        upper, lower = (
            plate[1]
            + 0.5 * (plate[2] - plate[0]) * inside_v
            + (0.5 * (plate[0] + plate[2]) - plate[1]) * (inside_v**2 + inside_u**2)
            for plate in (self.upper, self.lower)
        )
        return upper, lower

    def outside_mm(self, u: Array, v: Array) -> Array:
        """Distance from the footprint, a rounded rectangle; 0 inside."""
        radius = 0.13 * self.depth_mm
        du = np.maximum(np.abs(u) - (0.5 * self.width_mm - radius), 0)
        dv = np.maximum(np.abs(v) - (0.5 * self.depth_mm - radius), 0)
        return np.maximum(np.hypot(du, dv) - radius, 0)
