# SPDX-License-Identifier: Apache-2.0
"""Tell where a rendering is sampled, and how much of a voxel a shape covers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Window = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Grid:
    """Voxel centres in scan axes, each ascending; ``slice_mm`` is the thickness that a slice averages over."""

    z: Floats
    y: Floats
    x: Floats
    pixel_mm: float
    slice_mm: float

    @property
    def shape(self) -> tuple[int, int, int]:
        return len(self.z), len(self.y), len(self.x)

    def window(self, low: NDArray[np.float64], high: NDArray[np.float64]) -> Window | None:
        """Voxels that a box (x, y, z) can touch, or None where it misses the grid."""
        spans = []
        for axis, values, reach in ((2, self.z, self.slice_mm), (1, self.y, self.pixel_mm), (0, self.x, self.pixel_mm)):
            start = int(np.searchsorted(values, low[axis] - reach))
            stop = int(np.searchsorted(values, high[axis] + reach, side="right"))
            if stop <= start:
                return None
            spans.append(slice(start, stop))
        return spans[0], spans[1], spans[2]

    def axes(self, window: Window) -> tuple[Floats, Floats, Floats]:
        """x, y, z of the window's voxels, shaped to broadcast to (z, y, x)."""
        z, y, x = window
        return self.x[None, None, x], self.y[None, y, None], self.z[z, None, None]


def clip01(values: Floats) -> Floats:
    """Clip to [0, 1] in place."""
    return np.clip(values, 0, 1, out=values)


def coverage(sdf_mm: Floats, width_mm: "float | Floats") -> Floats:
    """Share of a voxel inside a surface at signed distance ``sdf_mm`` (negative inside), voxel ``width_mm`` across."""
    share: Floats = np.float32(0.5) - sdf_mm / np.asarray(width_mm, np.float32)
    return clip01(share)


def over(canvas: Floats, share: Floats, value: "float | Floats") -> None:
    """Paint ``value`` over the canvas where and as far as ``share`` covers it."""
    canvas += share * (value - canvas)
