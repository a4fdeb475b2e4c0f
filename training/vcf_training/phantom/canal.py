# SPDX-License-Identifier: Apache-2.0
"""Discs and the contents of the spinal canal."""

from itertools import pairwise

import numpy as np

from vcf_training.phantom.grid import Floats, Grid, clip01, coverage, over
from vcf_training.phantom.spine import Pose, Spine
from vcf_training.phantom.vertebra import landmarks

_DISC_HU = 82.0


def paint_discs(hu: Floats, grid: Grid, spine: Spine) -> None:
    """Fill the space between bodies; the bodies are painted over it later."""
    for upper, lower in pairwise(spine.poses):
        _paint_disc(hu, grid, upper, lower)


def _paint_disc(hu: Floats, grid: Grid, upper: Pose, lower: Pose) -> None:
    spec = upper.spec
    _, _, floor = landmarks(spec)
    _, roof, _ = landmarks(lower.spec)
    top = upper.to_scan(np.array((0, 0, float(floor.mean()))))
    bottom = lower.to_scan(np.array((0, 0, float(roof.mean()))))
    centre, up = (top + bottom) / 2, upper.axes[:, 2] + lower.axes[:, 2]
    up /= np.linalg.norm(up)
    half_w = 0.25 * (spec.width_mm + lower.spec.width_mm) + 0.3
    half_d = 0.25 * (spec.depth_mm + lower.spec.depth_mm) + 0.3
    tall = float(np.linalg.norm(top - bottom)) / 2 + 6.0
    axes = np.stack((upper.axes[:, 0], np.cross(up, upper.axes[:, 0]), up), axis=1)
    reach = np.abs(axes) @ np.array((half_w, half_d, tall))
    window = grid.window(centre - reach, centre + reach)
    if window is None:
        return
    x, y, z = grid.axes(window)
    a, c = axes.astype(np.float32), centre.astype(np.float32)
    u, v, w = (a[0, k] * (x - c[0]) + a[1, k] * (y - c[1]) + a[2, k] * (z - c[2]) for k in range(3))
    q = np.sqrt((u / np.float32(half_w)) ** 2 + (v / np.float32(half_d)) ** 2)
    share = coverage((q - 1) * np.float32(half_d), grid.pixel_mm) * coverage(
        np.abs(w) - np.float32(tall), grid.slice_mm
    )
    # The fibrous ring is a little denser than the nucleus.
    over(hu[window], share, np.float32(_DISC_HU) + 22 * np.clip(2 * q - 1, 0, 1))
    if spec.disc_gas:
        crack = coverage((q - np.float32(0.55)) * np.float32(half_d), grid.pixel_mm)
        crack = crack * clip01(np.float32(0.9) - np.abs(w) / np.float32(max(0.5 * grid.slice_mm, 1.2)))
        over(hu[window], crack, -420.0)


def paint_canal(hu: Floats, grid: Grid, spine: Spine) -> None:
    """The canal as the ellipse that the truth says, painted last: epidural fat, dural sac, cord to L1, cauda below."""
    at = spine.canal_at(grid.z.astype(float)).astype(np.float32)
    level = spine.level_at(grid.z.astype(float))
    for start in range(0, len(grid.z), 16):
        z = slice(start, min(start + 16, len(grid.z)))
        rows = at[z]
        reach = rows[:, 2:4].max()
        low = np.array((*(rows[:, :2].min(0) - reach), grid.z[z][0]))
        high = np.array((*(rows[:, :2].max(0) + reach), grid.z[z][-1]))
        window = grid.window(low, high)
        if window is None:
            continue
        window = (z, *window[1:])
        x, y, _ = grid.axes(window)
        cx, cy, half_w, half_d, angle = (column[:, None, None] for column in rows.T)
        cos, sin = np.cos(angle), np.sin(angle)
        u, v = cos * (x - cx) + sin * (y - cy), cos * (y - cy) - sin * (x - cx)
        q = np.sqrt((u / half_w) ** 2 + (v / half_d) ** 2)
        target = hu[window]
        over(target, coverage((q - 1) * np.minimum(half_w, half_d), grid.pixel_mm), -35.0)
        sac = np.sqrt((u / (half_w - 1.6)) ** 2 + ((v + 0.7) / (half_d - 1.3)) ** 2)
        over(target, coverage((sac - 1) * (half_d - 1.3), grid.pixel_mm), 18.0)
        below = np.interp(level[z], (11.5, 13), (0, 1)).astype(np.float32)[:, None, None]
        cord_w, cord_d = np.float32(5.2) - 1.0 * below, np.float32(3.6) + 0.4 * below
        cord = np.sqrt((u / cord_w) ** 2 + ((v - 1.5 * below) / cord_d) ** 2)
        over(target, coverage((cord - 1) * 3.6, grid.pixel_mm), 38.0 - 10 * below)
