# SPDX-License-Identifier: Apache-2.0
"""Periodic random fields fixed in space, for trabeculae, fat between muscle fibres and vessels in the lung."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.ndimage import gaussian_filter

from vcf_training.phantom.grid import Floats, Grid, Window

_SHAPE = (64, 128, 128)


@lru_cache(maxsize=4)
def _tile(sigma: float, seed: int) -> Floats:
    white = np.random.default_rng(seed).standard_normal(_SHAPE, np.float32)
    smooth: Floats = gaussian_filter(white, sigma, mode="wrap")
    return np.asarray(smooth / smooth.std(), np.float32)


@dataclass(frozen=True)
class Texture:
    """Fields of mean 0 and standard deviation 1, shifted by the patient's seed."""

    shift: tuple[int, int, int]

    @classmethod
    def of(cls, seed: int) -> "Texture":
        """The texture of one patient."""
        z, y, x = np.random.default_rng([seed, 9]).integers(0, 128, 3).tolist()
        return cls((z, y, x))

    def _look_up(self, tile: Floats, pitch_mm: float, grid: Grid, window: Window) -> Floats:
        index = [
            (np.floor(values[span] / pitch_mm).astype(np.int64) + shift) % size
            for values, span, shift, size in zip((grid.z, grid.y, grid.x), window, self.shift, _SHAPE, strict=True)
        ]
        return tile[np.ix_(*index)]

    def fine(self, grid: Grid, window: Window) -> Floats:
        """Grain of about 2 mm."""
        return self._look_up(_tile(1.0, 1), 0.9, grid, window)

    def coarse(self, grid: Grid, window: Window) -> Floats:
        """Grain of about 8 mm."""
        return self._look_up(_tile(2.0, 2), 2.0, grid, window)
