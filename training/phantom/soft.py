# SPDX-License-Identifier: Apache-2.0
"""Soft tissue, air and table: what surrounds the spine on an axial slice.

Organs change slowly along z, so they are painted on a few heights and interpolated between.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.phantom.grid import Floats, Grid, clip01, coverage, over
from training.phantom.spec import PhantomSpec
from training.phantom.spine import Spine
from training.phantom.texture import Texture
from training.phantom.torso import POWER, Outline, Torso

Array = NDArray[np.float64]
_KNOT_MM = 2.8
FAT_HU = -98.0


@dataclass
class _Scene:
    """The picture being painted, and the patient's axes on its grid."""

    grid: Grid
    torso: Torso
    spine: Spine
    spec: PhantomSpec
    hu: Floats
    x: Floats
    y: Floats
    level: Array
    canal: Array
    body_front: Array
    """Y of the vertebral bodies' front at each height."""
    half_body: Array

    def column(self, values: "NDArray[Any] | float") -> Floats:
        """Values over z, shaped to broadcast."""
        return np.asarray(values, np.float32).reshape(-1, 1, 1)

    def rim(self, outline: Outline) -> Floats:
        """Signed distance to a superellipse at each height, about right near it."""
        dx = self.x - self.column(outline.x)
        dy = self.y - self.column(outline.y)
        ax = np.abs(dx) / self.column(np.maximum(outline.half_width, 1))
        ay = np.abs(dy) / self.column(np.maximum(outline.half_depth, 1))
        rho = (ax * ax * np.sqrt(ax) + ay * ay * np.sqrt(ay) + np.float32(1e-6)) ** np.float32(1 / POWER)
        radius = np.sqrt(dx * dx + dy * dy)
        return np.minimum(radius * (1 - 1 / rho), self.column(np.maximum(outline.half_width, outline.half_depth)))

    def blob(
        self,
        centre: tuple[float, float, float],
        radii: tuple[float, float, float],
        value: float,
        *,
        inside: Floats | None = None,
        gas_above: float | None = None,
    ) -> None:
        """An ellipsoid at (X, Y, z); ``gas_above`` fills it with gas in front of that share of its depth."""
        c, s = self.torso.roll
        at = np.array((c * centre[0] - s * centre[1], s * centre[0] + c * centre[1], centre[2]))
        reach = np.array((max(radii[0], radii[1]),) * 2 + (radii[2],))
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
        if gas_above is not None:
            over(self.hu[window], share * (rho < 0.86) * clip01(6 * (np.float32(gas_above) - v) + 0.5), -960.0)

    def tube(
        self, x: Array, y: Array, rx: Array, ry: Array, value: float, *, inside: Floats | None = None
    ) -> tuple[tuple[slice, slice, slice], Floats, Floats] | None:
        """An elliptic tube along z; radii of 0 or less are no tube. Returns window, share, radius."""
        there = np.flatnonzero(np.minimum(rx, ry) > 0.5)
        if not len(there):
            return None
        z = slice(int(there[0]), int(there[-1]) + 1)
        c, s = self.torso.roll
        sx, sy = c * x[z] - s * y[z], s * x[z] + c * y[z]
        r = float(max(rx[z].max(), ry[z].max()))
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
        share = coverage((rho - 1) * self.column(np.maximum(np.minimum(rx[z], ry[z]), 0.5)), self.grid.pixel_mm)
        share *= self.column(np.minimum(rx[z], ry[z]) > 0.5)
        if inside is not None:
            share *= inside[window]
        over(self.hu[window], share, value)
        return window, share, rho


def _wall_and_fat(scene: _Scene, texture: Texture) -> Floats:
    """Skin, fat and muscle; returns the cavity's coverage."""
    spec, grid = scene.spec, scene.grid
    z = grid.z.astype(float)
    skin = scene.torso.skin(z)
    depth = scene.rim(skin)
    over(scene.hu, coverage(depth, grid.pixel_mm), 20.0)
    over(scene.hu, coverage(depth + 1.8, grid.pixel_mm), FAT_HU)
    # Fat is thicker in front than behind, and thin over shoulders and neck.
    front = clip01(np.float32(0.5) - (scene.y - scene.column(skin.y)) / scene.column(2 * skin.half_depth))
    thin = scene.column(np.interp(scene.level, (-2, 3), (0.35, 1.0)))
    body = spec.body
    fat = (np.float32(body.fat_back_mm) + np.float32(body.fat_front_mm - body.fat_back_mm) * front) * thin + 2
    everywhere = (slice(None),) * 3
    grain = texture.coarse(grid, everywhere)
    muscle = coverage(depth + fat, grid.pixel_mm)
    # Fat between fibres and layers: the share of the field above a threshold.
    streak = clip01(np.float32(1.2) * (grain - np.float32(1.9 - 2.6 * body.muscle_fat)))
    over(scene.hu, muscle, np.float32(body.muscle_hu) + (FAT_HU + 30 - np.float32(body.muscle_hu)) * 0.8 * streak)

    cage = scene.rim(scene.torso.cage(z, inset_mm=9.0))
    from_spine = np.abs(scene.x - scene.column(scene.canal[:, 0]))
    chest = scene.column(np.interp(scene.level, (9, 12), (1.0, 0.0)))
    gutter = np.float32(4) + np.minimum(np.maximum(from_spine - 18, 0) * np.float32(0.55), 26) * chest - 8 * (1 - chest)
    behind = scene.y - scene.column(scene.canal[:, 1]) - gutter
    cavity = coverage(np.maximum(cage, behind), grid.pixel_mm)
    cavity *= scene.column(scene.level > -0.5)
    over(scene.hu, cavity, FAT_HU - 4 + 10 * grain)
    return cavity


def _lungs(scene: _Scene, texture: Texture, cavity: Floats) -> Floats:
    """Air-filled lungs above the diaphragm; returns the coverage of the belly below it."""
    spec, grid = scene.spec, scene.grid
    cage = scene.torso.cage(grid.z.astype(float), inset_mm=9.0)
    dx = scene.x - scene.column(scene.canal[:, 0])
    ahead = scene.column(scene.canal[:, 1]) - scene.y
    side = np.where(dx > 0, np.float32(1), np.float32(-1))
    half = scene.column(0.55 * cage.half_width)
    u = (np.abs(dx) - half) / half
    v = (scene.y - scene.column(cage.y)) / scene.column(cage.half_depth)
    drop = np.float32(62) * (u * u + np.float32(0.8) * np.maximum(v + np.float32(0.25), 0) ** 2 + 0.25 * v * v)
    dome = np.where(side > 0, np.float32(scene.spine.z_of(9.0)), np.float32(scene.spine.z_of(8.3)))
    above = grid.z[:, None, None] - np.maximum(dome - drop, np.float32(scene.spine.z_of(11.6)))
    chest = clip01(above / np.float32(2.5) + 0.5)
    # Mediastinum: half width over the distance in front of the canal.
    steps = (-40, 0, 30, 45, 75, 110, 150)
    table = np.array([(0, 21, 22, 20, 42, 46, 12), (0, 21, 25, 34, 50, 66, 16)], np.float32)
    flat = ahead.ravel()
    middle = np.where(side > 0, np.interp(flat, steps, table[1]).reshape(ahead.shape), 0)
    middle += np.where(side > 0, 0, np.interp(flat, steps, table[0]).reshape(ahead.shape))
    upper = scene.column(np.interp(scene.level, (0, 3, 6), (0.62, 0.75, 1.0)))
    margin = np.abs(dx) - (np.maximum(middle * upper, scene.column(scene.half_body + 3.5) * (ahead < 42))).astype(
        np.float32
    )
    inner_wall = clip01(margin / grid.pixel_mm + 0.5)
    lung = cavity * chest * inner_wall
    lung *= clip01((ahead - cage_recess(scene)) / np.float32(grid.pixel_mm) + 0.5)
    grain = texture.coarse(grid, (slice(None),) * 3)
    vessels = clip01((grain - np.float32(1.75)) * 3) * np.float32(620)
    over(scene.hu, lung, np.float32(spec.body.lung_hu) + np.float32(14) * grain + vessels)
    below: Floats = cavity * (1 - chest)
    return below


def cage_recess(scene: _Scene) -> float:
    """How far behind the canal's centre the lungs may reach (negative is behind)."""
    return -34.0 * scene.torso.size


def _vessels(scene: _Scene, rng: np.random.Generator, cavity: Floats) -> None:
    """Aorta with plaque, cava, azygos, oesophagus, windpipe, heart and the great vessels."""
    body, level, size = scene.spec.body, scene.level, scene.torso.size
    x0, front = scene.canal[:, 0], scene.body_front
    ones = np.ones_like(level)
    heart = (x0.mean() + 22 * size, float(np.interp(7, level[::-1], front[::-1])) - 62 * size, scene.spine.z_of(7.4))
    scene.blob(heart, (58 * size, 48 * size, 52 * size), 0.9 * body.blood_hu + 5, inside=cavity)
    arch_z = scene.spine.z_of(3.6)
    for dx, dy, r in ((-14, -58, 15), (8, -48, 12), (16, -28, 11)):
        at = (x0.mean() + dx * size, float(np.interp(4, level[::-1], front[::-1])) + dy * size, arch_z - 8)
        scene.blob(at, (r * size, r * size, 34), body.blood_hu, inside=cavity)
    wind = np.where((level > -4) & (level < 4.6), 8.5, 0.0) * size
    scene.tube(x0, front - 22 * size, wind + 1.8 * (wind > 0), wind + 1.8 * (wind > 0), 45.0)
    scene.tube(x0, front - 22 * size, wind, wind * 0.95, -995.0)
    gullet = np.asarray((level > -4) & (level < 10.5), np.float64)
    scene.tube(x0 + 5, front - 9, 9 * gullet, 6 * gullet, 38.0)
    lumen = gullet * (np.sin(level * 2.1 + rng.uniform(0, 6)) > 0.35) * 3.2
    scene.tube(x0 + 5, front - 9, lumen, lumen * 0.8, -700.0)
    cava = np.interp(level, (8, 9, 16.4, 17), (0, 12, 11, 0)) * size
    scene.tube(x0 - 19 * size, front - np.interp(level, (8, 11, 16), (30, 14, 6)), cava, 0.8 * cava, body.vein_hu)
    azygos = np.interp(level, (3, 4, 11, 12), (0, 4, 3.5, 0)) * ones
    scene.tube(x0 - 9, front - 4, azygos, azygos, body.vein_hu)

    radius = np.interp(level, (3.2, 3.6, 6, 11, 15.4, 15.8), (0, 14.5, 13, 11.5, 9, 0)) * size
    beside = np.interp(level, (4, 8, 11, 13, 15), (23, 21, 11, 6, 4)) * body.aorta_side * size
    ahead = np.interp(level, (4, 8, 11, 13), (-9, -6, 9, 13)) * size
    wander = 2.0 * np.sin(level * 0.9 + rng.uniform(0, 6))
    x, y = x0 + beside + wander, front - ahead
    scene.tube(x, y, radius + 1.5 * (radius > 0), radius + 1.5 * (radius > 0), 42.0)
    drawn = scene.tube(x, y, radius, radius, body.blood_hu)
    if drawn is not None and body.plaque > 0:
        window, _, rho = drawn
        angle = np.arctan2(
            scene.y[:, window[1], window[2]] - scene.column(y[window[0]]),
            scene.x[:, window[1], window[2]] - scene.column(x[window[0]]),
        )
        zed = scene.grid.z[window[0], None, None]
        wave = sum(
            np.sin(k * angle + zed / np.float32(scale) + np.float32(phase))
            for k, scale, phase in zip((1, 2, 3, 5), (19, 11, 7, 5), rng.uniform(0, 6, 4), strict=True)
        )
        caudal = scene.column(np.interp(level[window[0]], (4, 15), (0.5, 1.0)))
        plate = clip01((wave - np.float32(2.6 - 2.2 * body.plaque)) * 1.5) * caudal
        rim = np.exp(-(((rho - 1.0) * scene.column(np.maximum(radius[window[0]], 1)) / np.float32(1.1)) ** 2))
        over(scene.hu[window], plate * rim, 720.0)
    for side in (-1, 1):
        iliac = np.interp(level, (15.4, 15.8, 18), (0, 7, 6)) * size
        apart = np.interp(level, (15.4, 18), (5, 42)) * side
        scene.tube(x0 + 3 + apart, front - np.interp(level, (15.4, 18), (12, -6)), iliac, iliac, body.blood_hu)


def _belly(scene: _Scene, rng: np.random.Generator, belly: Floats) -> None:
    """Liver, spleen, kidneys, stomach, bowel with gas."""
    body, z_of, size = scene.spec.body, scene.spine.z_of, scene.torso.size
    girth = body.girth**0.7
    x0, canal_y = float(scene.canal[:, 0].mean()), float(scene.canal[:, 1].mean())
    low, high = float(scene.grid.z[0]), float(scene.grid.z[-1])

    def at(x: float, y: float, level: float) -> tuple[float, float, float]:
        z = z_of(level)
        yc = (
            float(np.interp(np.clip(z, low, high), scene.grid.z, scene.canal[:, 1]))
            if len(scene.grid.z) > 1
            else canal_y
        )
        return x0 + x * size * girth, yc - y * size, z

    def blob(x: float, y: float, level: float, r: tuple[float, float, float], hu: float, **more: float) -> None:
        scene.blob(at(x, y, level), tuple(v * size for v in r), hu, inside=belly, **more)  # type: ignore[arg-type]

    blob(-66, 78, 10.4, (78 * girth, 92 * girth, 84), body.liver_hu)
    blob(-15, 110, 10.6, (70, 46, 48), body.liver_hu)
    blob(88, 28, 10.3, (34, 46, 46), body.liver_hu * 0.95 + 4)
    blob(62, 100, 10.7, (46, 44, 46), 22.0, gas_above=float(rng.uniform(-0.7, 0.1)))
    for side, level in ((1, 12.2), (-1, 12.6)):
        blob(side * 62, 24, level, (44, 38, 66), FAT_HU - 6)
        blob(side * 60, 24, level, (27, 24, 54), body.kidney_hu)
        blob(side * 48, 30, level, (10, 9, 18), FAT_HU + 50)
    blob(-4, 68, 12.4, (48, 14, 22), 40.0)
    filling = 260.0 if body.oral_contrast else 25.0
    for _ in range(46):
        level = float(rng.uniform(12.2, 18.5))
        left, ahead = float(rng.uniform(-105, 105)), float(rng.uniform(62, 150))
        r = float(rng.uniform(12, 22))
        gas = float(rng.uniform(-0.9, 0.7)) if rng.random() < 0.45 else None
        hu = filling if rng.random() < 0.5 else float(rng.uniform(10, 45))
        stretch = rng.uniform(0.8, 1.7, 2)
        where, radii = at(left, ahead, level), (r * float(stretch[0]), r, r * float(stretch[1]))
        scene.blob(where, (radii[0] + 2, radii[1] + 2, radii[2] + 2), 42.0, inside=belly)
        scene.blob(where, radii, hu, inside=belly, gas_above=gas)


def _around_spine(scene: _Scene) -> None:
    """Prevertebral tissue, psoas and crura."""
    level, size = scene.level, scene.torso.size
    x0, half, hu = scene.canal[:, 0], scene.half_body, scene.spec.body.muscle_hu
    depth = scene.canal[:, 1] - scene.body_front
    for side in (-1, 1):
        grow = np.interp(level, (10.8, 12, 15, 17.5), (0, 7, 19, 22)) * size
        out = np.interp(level, (11, 14, 18), (3, 9, 26)) * size
        lie = np.interp(level, (11, 15, 18), (0.45, 0.5, 0.8))
        scene.tube(x0 + side * (half + out), scene.canal[:, 1] - lie * depth, 0.8 * grow, 1.1 * grow, hu)
        crus = np.interp(level, (9.5, 10.5, 13, 14), (0, 5, 5, 0))
        scene.tube(x0 + side * 13, scene.body_front - 5, 1.6 * crus, crus, hu - 5)
    scene.tube(x0, scene.body_front + depth * 0.45, half + 3.0, depth * 0.55 + 2.5, 35.0)  # ligaments and vessels


def _arms(scene: _Scene) -> None:
    size = scene.torso.size
    for side in (-1, 1):
        for level in np.arange(1.0, 15.0, 1.2):
            z = scene.spine.z_of(float(level))
            centre = scene.torso.point(side * (182 + 2.0 * level), 8, z)
            c, s = scene.torso.roll
            at = (c * centre[0] + s * centre[1], -s * centre[0] + c * centre[1], z)
            scene.blob(at, (52 * size, 54 * size, 48), FAT_HU)
            scene.blob(at, (42 * size, 44 * size, 40), scene.spec.body.muscle_hu)


def _table(scene: _Scene) -> None:
    """A carbon shell filled with foam, curved under the back; the scanner's, so it does not roll with the patient."""
    skin = scene.torso.skin(np.linspace(scene.spine.bottom_mm, scene.spine.top_mm, 12))
    top = float((skin.y + skin.half_depth).max()) + 4
    x, y = scene.grid.x[None, None, :], scene.grid.y[None, :, None]
    bend: Floats = top + 24 - np.float32(24) * (1 - np.minimum((x / np.float32(215)) ** 2, 1)) ** np.float32(0.5)
    bend = 2 * np.float32(top) + 0 * x - bend + 6
    within = (np.abs(x) < 212).astype(np.float32)
    for thickness, hu in ((34.0, -350.0), (31.0, -940.0)):
        middle = bend + 17
        share = coverage(np.abs(y - middle) - np.float32(thickness / 2), scene.grid.pixel_mm) * within
        over(scene.hu, np.broadcast_to(share, scene.hu.shape), hu)


def paint_soft(grid: Grid, spec: PhantomSpec, spine: Spine, torso: Torso, texture: Texture) -> Floats:
    """Everything but bone and canal, in HU on the grid."""
    span = float(grid.z[-1] - grid.z[0])
    few = int(np.ceil(span / _KNOT_MM)) + 1
    dense = len(grid.z) > few
    z = np.linspace(grid.z[0], grid.z[-1], few).astype(np.float32) if dense else grid.z
    coarse = Grid(z, grid.y, grid.x, grid.pixel_mm, max(grid.slice_mm, _KNOT_MM))
    heights = z.astype(float)
    c, s = torso.roll
    level = spine.level_at(heights)
    sizes = {p.spec.level: p.spec for p in spine.poses}
    names = list(sizes)
    index = np.clip(level + names.index("T1"), 0, len(names) - 1)
    depth = np.interp(index, range(len(names)), [v.depth_mm + v.canal_depth_mm / 2 for v in sizes.values()])
    half = np.interp(index, range(len(names)), [v.width_mm / 2 for v in sizes.values()])
    canal = torso.canal(heights)
    x, y = grid.x[None, None, :], grid.y[None, :, None]
    scene = _Scene(
        coarse,
        torso,
        spine,
        spec,
        np.full(coarse.shape, -1000, np.float32),
        np.float32(c) * x + np.float32(s) * y,
        np.float32(c) * y - np.float32(s) * x,
        level,
        canal,
        canal[:, 1] - depth,
        half,
    )
    rng = np.random.default_rng([spec.body.seed, 7])
    _table(scene)
    if spec.body.arms_down:
        _arms(scene)
    cavity = _wall_and_fat(scene, texture)
    belly = _lungs(scene, texture, cavity)
    _belly(scene, rng, belly)
    _around_spine(scene)
    _vessels(scene, rng, cavity)
    if not dense:
        return scene.hu
    at = (grid.z - z[0]) / np.float32((z[-1] - z[0]) / (few - 1))
    low = np.minimum(at.astype(np.int64), few - 2)
    share = (at - low).astype(np.float32)[:, None, None]
    hu: Floats = scene.hu[low]
    hu += share * (scene.hu[low + 1] - hu)
    return hu
