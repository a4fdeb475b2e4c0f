# SPDX-License-Identifier: Apache-2.0
"""The whole deformation of one sample: collapses, a mild smooth deformation, another posture of the scan."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from vcf_training.warp.collapse import Collapse

Array = NDArray[np.float64]

GRAIN_MM = 20.0
"""Standard deviation of the Gaussian behind the smooth deformation: wider than a vertebra is high."""
_PITCH_MM = 10.0


@dataclass(frozen=True)
class Wobble:
    """A smooth random deformation, periodic and of standard deviation 1 before ``amount_mm``."""

    seed: int
    amount_mm: float

    def shift(self, points_mm: Array) -> Array:
        """Displacement (…, 3) at points (…, 3)."""
        if not self.amount_mm:
            return np.zeros_like(points_mm)
        index = [points_mm[..., i] / _PITCH_MM for i in range(3)]
        parts = [map_coordinates(part, index, order=1, mode="grid-wrap") for part in _smooth_noise(self.seed)]
        return np.asarray(self.amount_mm * np.stack(parts, axis=-1))


@lru_cache(maxsize=2)
def _smooth_noise(seed: int) -> Array:
    """(3, 24, 24, 40) periodic, standard deviation 1."""
    noise = np.random.default_rng(seed).standard_normal((3, 24, 24, 40))
    for part in noise:
        gaussian_filter(part, GRAIN_MM / _PITCH_MM, mode="wrap", output=part)
        part /= part.std()
    return noise


@dataclass(frozen=True)
class Posture:
    """Size and lie of the patient, about the middle of the canal."""

    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Factors along x, y, z."""
    lean: float = 0.0
    roll: float = 0.0
    """Radians about x and about z."""

    @property
    def matrix(self) -> Array:
        """(3, 3), from the original to the deformed space."""
        cl, sl, cr, sr = np.cos(self.lean), np.sin(self.lean), np.cos(self.roll), np.sin(self.roll)
        about_x = np.array([[1, 0, 0], [0, cl, -sl], [0, sl, cl]])
        about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
        return np.asarray(about_z @ about_x @ np.diag(self.scale))


@dataclass(frozen=True)
class Field:
    """Maps between the original and the deformed space, in mm.

    ``collapses`` in any order: each leaves what is below it in place, so they are undone from feet to head.
    """

    centre_mm: Array
    collapses: Sequence[Collapse]
    posture: Posture
    wobble: Wobble

    def backward(self, points_mm: Array) -> tuple[Array, Array]:
        """Tell where deformed points (…, 3) come from, and by which factor bone was compressed there (…)."""
        points = (points_mm - self.centre_mm) @ np.linalg.inv(self.posture.matrix).T + self.centre_mm
        points = points + self.wobble.shift(points)
        compression = np.ones(points.shape[:-1])
        for collapse in self._upwards():
            points, factor = collapse.backward(points)
            compression *= factor
        return points, compression

    def collapsed(self, points_mm: Array) -> Array:
        """Tell where the collapses alone take original points (n, 3): the reference for heights lost."""
        points = np.asarray(points_mm, np.float64)
        for collapse in reversed(self._upwards()):
            points = collapse.forward(points)
        return points

    def placed(self, collapsed_mm: Array) -> Array:
        """Tell where points (n, 3) that ``collapsed`` gave come to lie in the end."""
        points = collapsed_mm
        for _ in range(20):
            points = collapsed_mm - self.wobble.shift(points)
        return (points - self.centre_mm) @ self.posture.matrix.T + self.centre_mm

    def _upwards(self) -> list[Collapse]:
        return sorted(self.collapses, key=lambda c: float(c.body.origin[2]))


def random_posture(rng: Generator) -> Posture:
    """A little taller or shorter, broader or slimmer, leaning and rolled."""
    size = rng.uniform(0.94, 1.08)
    x, y, z = (size * rng.uniform(0.97, 1.03, 3)).tolist()
    return Posture((x, y, z), float(np.radians(rng.uniform(-6, 6))), float(np.radians(rng.uniform(-5, 5))))
