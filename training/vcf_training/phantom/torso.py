# SPDX-License-Identifier: Apache-2.0
"""The trunk's outlines over the height of the spine: skin, rib cage and cavity, in the patient's own axes.

The patient's axes are the scan's turned by the roll about z through the origin; X left, Y back.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vcf_training.phantom.spec import PhantomSpec
from vcf_training.phantom.spine import Spine

Array = NDArray[np.float64]
POWER = 2.5
"""The exponent of the superellipses of trunk and cage."""

# Vertebral level (T1 = 0), half width, depth of the rib cage or abdominal wall's inside, mm.
_CAGE = np.array(
    [
        (-1.2, 20, 30),
        (-0.4, 44, 62),
        (0.5, 66, 88),
        (1.5, 88, 112),
        (3.0, 110, 130),
        (5.0, 125, 150),
        (8.0, 135, 170),
        (11.0, 135, 182),
        (13.0, 126, 190),
        (15.0, 124, 182),
        (16.5, 122, 176),
        (19.0, 118, 170),
    ]
)
# Level, half width and depth of the neck and shoulders, fat apart.
_SHOULDER = np.array(
    [
        (-6.0, 54, 108),
        (-2.5, 58, 112),
        (-1.6, 78, 118),
        (-0.8, 128, 130),
        (0.0, 168, 142),
        (1.0, 182, 152),
        (2.5, 178, 160),
        (4.0, 158, 150),
        (5.5, 120, 130),
    ]
)


@dataclass(frozen=True)
class Outline:
    """A superellipse at each height: middle and semi-axes in the patient's axes, mm."""

    x: Array
    y: Array
    half_width: Array
    half_depth: Array


@dataclass(frozen=True)
class Torso:
    """Outlines of one patient as functions of z."""

    spec: PhantomSpec
    spine: Spine

    @property
    def roll(self) -> tuple[float, float]:
        """Cosine and sine of the patient's roll."""
        angle = np.radians(self.spec.posture.roll_deg)
        return float(np.cos(angle)), float(np.sin(angle))

    @property
    def size(self) -> float:
        """The patient's build against the mean."""
        return self.spec.vertebra("T8").width_mm / 32.0

    def canal(self, z: Array) -> Array:
        """Canal centre (n, 2) in the patient's axes."""
        c, s = self.roll
        at = self.spine.canal_at(z)
        return np.stack((c * at[:, 0] + s * at[:, 1], -s * at[:, 0] + c * at[:, 1]), axis=1)

    def _posture(self, z: Array) -> Array:
        """Canal centre smoothed along z: the trunk follows the spine only loosely."""
        offsets = np.linspace(-60, 60, 9)
        return np.asarray(np.mean([self.canal(z + dz) for dz in offsets], axis=0))

    def cage(self, z: Array, inset_mm: float = 0.0) -> Outline:
        """Outer face of ribs and, below them, inner face of the abdominal wall."""
        level = self.spine.level_at(z)
        half_width, depth = (np.interp(level, _CAGE[:, 0], _CAGE[:, i]) for i in (1, 2))
        stout = np.interp(level, (8, 13), (1.0, self.spec.body.girth))  # girth is of the belly more than of the chest
        half_width, depth = half_width * self.size * stout, depth * self.size * stout**1.3
        centre, loose = self.canal(z), self._posture(z)
        back = centre[:, 1] + np.interp(level, (-1, 2, 10, 13), (8, 30, 30, 24))
        return Outline(loose[:, 0], back - depth / 2, half_width - inset_mm, depth / 2 - inset_mm)

    def skin(self, z: Array) -> Outline:
        """Outer surface of the trunk."""
        body = self.spec.body
        level = self.spine.level_at(z)
        cage, loose = self.cage(z), self._posture(z)
        wall = np.interp(level, (2, 9, 14), (20, 14, 13))
        side = 0.5 * (body.fat_front_mm + body.fat_back_mm)
        shoulder_width, shoulder_depth = (np.interp(level, _SHOULDER[:, 0], _SHOULDER[:, i]) for i in (1, 2))
        half_width = np.maximum(cage.half_width + wall + side, shoulder_width * self.size + 0.6 * side)
        back = loose[:, 1] + np.interp(level, (-3, 0, 8, 13, 17), (46, 52, 45, 47, 52)) * self.size + body.fat_back_mm
        front = np.minimum(
            cage.y - cage.half_depth - 0.8 * wall - body.fat_front_mm * self.front_fat(level),
            back - body.fat_back_mm - shoulder_depth * self.size - 0.4 * body.fat_front_mm,
        )
        return Outline(loose[:, 0], (front + back) / 2, half_width, (back - front) / 2)

    def front_fat(self, level: Array) -> Array:
        """Fat in front at a level as a share of the belly's."""
        return np.interp(level, (-2, 2, 9, 13), (0.35, 0.45, 0.65, 1.0))

    def to_scan(self, x: float, y: float, z: float) -> Array:
        """Map a point from the patient's axes."""
        c, s = self.roll
        return np.array((c * x - s * y, s * x + c * y, z))

    def point(self, from_spine_x: float, from_canal_y: float, z: float) -> Array:
        """Scan coordinates of a point given against the canal at its height, in units of a mean build."""
        at = self._posture(np.array([z]))[0]
        return self.to_scan(at[0] + from_spine_x * self.size, at[1] + from_canal_y * self.size, z)

    def cage_points(self, angles: Array, side: int, z: Array) -> Array:
        """Points (n, 3) in the middle of a rib: ``angles`` about z from the back (radians), ``side`` +1 left."""
        cage = self.cage(z, inset_mm=4.0)
        sin, cos = np.sin(angles), np.cos(angles)
        x = cage.x + side * cage.half_width * np.abs(sin) ** (2 / POWER)
        y = cage.y + cage.half_depth * np.sign(cos) * np.abs(cos) ** (2 / POWER)
        c, s = self.roll
        return np.stack((c * x - s * y, s * x + c * y, z), axis=1)

    @property
    def sternum_z(self) -> tuple[float, float]:
        """Upper and lower end."""
        return self.spine.z_of(2.2), self.spine.z_of(8.5)

    def sternum_point(self, z: float) -> Array:
        """Middle of the sternum at a height."""
        cage = self.cage(np.array([z]), inset_mm=4.0)
        return self.to_scan(float(cage.x[0]), float(cage.y[0] - cage.half_depth[0]), z)
