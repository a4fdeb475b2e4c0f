# SPDX-License-Identifier: Apache-2.0
"""The picture that soft tissue is painted on, with the brushes: outlines, ellipsoids and tubes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcf_training.phantom.grid import Floats, Grid, Window, clip01, coverage, over
from vcf_training.phantom.spec import PhantomSpec
from vcf_training.phantom.spine import Spine
from vcf_training.phantom.texture import Texture
from vcf_training.phantom.torso import POWER, Outline, Torso

Array = NDArray[np.float64]
FAT_HU = -98.0
EVERYWHERE: Window = (slice(None), slice(None), slice(None))


@dataclass(frozen=True)
class Scene:
    """A block of the picture and what is known at each of its heights; X left and Y back are the patient's axes."""

    grid: Grid
    spec: PhantomSpec
    spine: Spine
    torso: Torso
    texture: Texture
    hu: Floats
    x: Floats
    y: Floats
    level: Array
    """Vertebral level at each height, T1 = 0."""
    canal: Array
    """X, Y of the canal's centre at each height."""
    body_front: Array
    """Y of the front of the vertebral bodies."""
    half_body: Array
    """Half of their width."""

    @classmethod
    def of(cls, grid: Grid, spec: PhantomSpec, spine: Spine, torso: Torso, texture: Texture) -> "Scene":
        """An empty picture: air."""
        heights = grid.z.astype(float)
        level, canal = spine.level_at(heights), torso.canal(heights)
        bodies = [p.spec for p in spine.poses]
        centres = np.array([p.centre[2] for p in spine.poses])[::-1]
        depth = np.interp(heights, centres, [v.depth_mm + v.canal_depth_mm / 2 for v in bodies[::-1]])
        half = np.interp(heights, centres, [v.width_mm / 2 for v in bodies[::-1]])
        c, s = (np.float32(v) for v in torso.roll)
        x, y = grid.x[None, None, :], grid.y[None, :, None]
        air = np.full(grid.shape, -1000, np.float32)
        patient = (c * x + s * y, c * y - s * x)
        return cls(grid, spec, spine, torso, texture, air, *patient, level, canal, canal[:, 1] - depth, half)

    @property
    def size(self) -> float:
        """The patient's build against the mean."""
        return self.torso.size

    def column(self, values: NDArray[Any] | float) -> Floats:
        """Values over z, shaped to broadcast."""
        return np.asarray(values, np.float32).reshape(-1, 1, 1)

    def place(self, left_mm: float, ahead_mm: float, level: float) -> tuple[float, float, float]:
        """X, Y, z of a point left of and in front of the canal; the same whatever part is being rendered."""
        z = self.spine.z_of(level)
        centre = self.torso.canal(np.array([z]))[0]
        return float(centre[0]) + left_mm, float(centre[1]) - ahead_mm, z

    def rim(self, outline: Outline) -> Floats:
        """Signed distance to a superellipse at each height, about right near it."""
        dx = self.x - self.column(outline.x)
        dy = self.y - self.column(outline.y)
        ax = np.abs(dx) / self.column(np.maximum(outline.half_width, 1))
        ay = np.abs(dy) / self.column(np.maximum(outline.half_depth, 1))
        inverse: Floats = ax * ax * np.sqrt(ax) + ay * ay * np.sqrt(ay) + np.float32(1e-6)
        np.log(inverse, out=inverse)  # exp of log is several times faster than a power in single precision
        inverse *= np.float32(-1 / POWER)
        np.exp(inverse, out=inverse)
        radius = np.sqrt(dx * dx + dy * dy)
        largest = self.column(np.maximum(outline.half_width, outline.half_depth))
        distance: Floats = np.clip(radius * (1 - inverse), -largest, largest)
        return distance

    def blob(
        self,
        centre: tuple[float, float, float],
        radii: tuple[float, float, float],
        value: float,
        *,
        inside: Floats | None = None,
        gas_before: float | None = None,
    ) -> None:
        """An ellipsoid about (X, Y, z); gas fills it in front of the plane at ``gas_before`` of its depth (−1 to 1)."""
        c, s = self.torso.roll
        at = np.array((c * centre[0] - s * centre[1], s * centre[0] + c * centre[1], centre[2]))
        wide = max(radii[0], radii[1])
        reach = np.array((wide, wide, radii[2]))
        window = self.grid.window(at - reach, at + reach)
        if window is None:
            return
        xy = (slice(None), *window[1:])
        u = (self.x[xy] - np.float32(centre[0])) / np.float32(radii[0])
        v = (self.y[xy] - np.float32(centre[1])) / np.float32(radii[1])
        w = (self.grid.z[window[0], None, None] - np.float32(centre[2])) / np.float32(radii[2])
        rho = np.sqrt(u * u + v * v + w * w)
        share = coverage((rho - 1) * np.float32(min(radii)), self.grid.pixel_mm)
        if inside is not None:
            share = share * inside[window]
        over(self.hu[window], share, value)
        if gas_before is not None:
            over(self.hu[window], share * (rho < 0.9) * clip01(9 * (np.float32(gas_before) - v) + 0.5), -960.0)

    def tube(
        self, x: Array, y: Array, rx: Array, ry: Array, value: float, *, inside: Floats | None = None
    ) -> tuple[Window, Floats] | None:
        """An elliptic tube along z, absent where its radii are under 0.5 mm.

        Returns the window it lies in and the relative distance from its axis there, None if it is nowhere.
        """
        there = np.flatnonzero(np.minimum(rx, ry) > 0.5)
        if not len(there):
            return None
        z = slice(int(there[0]), int(there[-1]) + 1)
        c, s = self.torso.roll
        sx, sy = c * x[z] - s * y[z], s * x[z] + c * y[z]
        r = float(max(rx[z].max(), ry[z].max())) + 2
        low = np.array((sx.min() - r, sy.min() - r, self.grid.z[z][0]))
        high = np.array((sx.max() + r, sy.max() + r, self.grid.z[z][-1]))
        window = self.grid.window(low, high)
        if window is None:
            return None
        window = (z, window[1], window[2])
        xy = (slice(None), *window[1:])
        u = (self.x[xy] - self.column(x[z])) / self.column(np.maximum(rx[z], 0.5))
        v = (self.y[xy] - self.column(y[z])) / self.column(np.maximum(ry[z], 0.5))
        rho = np.sqrt(u * u + v * v)
        thinner = np.minimum(rx[z], ry[z])
        share = coverage((rho - 1) * self.column(np.maximum(thinner, 0.5)), self.grid.pixel_mm)
        share *= self.column(thinner > 0.5)
        if inside is not None:
            share *= inside[window]
        over(self.hu[window], share, value)
        return window, rho
