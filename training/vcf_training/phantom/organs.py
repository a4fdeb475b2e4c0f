# SPDX-License-Identifier: Apache-2.0
"""Vessels, viscera and the muscles beside the spine."""

import numpy as np
from numpy.random import Generator

from vcf_training.phantom.grid import Floats, clip01, over
from vcf_training.phantom.scene import FAT_HU, Array, Scene

_PLAQUE_HU = 720.0


def paint_chest(scene: Scene, rng: Generator, cavity: Floats) -> None:
    """Heart, great vessels, windpipe and gullet."""
    body, level, size = scene.spec.body, scene.level, scene.size
    x0, front = scene.canal[:, 0], scene.body_front

    def blob(left: float, ahead: float, at: float, radii: tuple[float, float, float], hu: float) -> None:
        scaled = (radii[0] * size, radii[1] * size, radii[2] * size)
        scene.blob(scene.place(left * size, ahead * size, at), scaled, hu, inside=cavity)

    blob(20, 98, 7.5, (57, 46, 52), FAT_HU + 20)  # fat round the heart
    blob(20, 98, 7.5, (53, 42, 48), 0.85 * body.blood_hu + 8)
    blob(44, 86, 7.8, (34, 34, 42), 0.9 * body.blood_hu + 4)
    blob(-14, 88, 4.2, (16, 16, 40), body.blood_hu)  # ascending aorta
    blob(12, 80, 4.6, (13, 15, 26), body.blood_hu)  # pulmonary trunk
    blob(4, 66, 3.2, (24, 13, 11), body.blood_hu)  # arch
    blob(-28, 74, 3.6, (9, 10, 46), body.vein_hu)
    for left in (-1, 1):
        blob(left * 34, 58, 5.2, (22, 9, 9), body.blood_hu)  # hilar arteries
    wind = np.where((level > -4) & (level < 4.6), 8.5, 0.0) * size
    wall = wind + 1.8 * (wind > 0)
    scene.tube(x0, front - 22 * size, wall, wall, 45.0)
    scene.tube(x0, front - 22 * size, wind, 0.95 * wind, -995.0)
    for left in (-1, 1):  # main bronchi
        bore = np.where((level >= 4.5) & (level < 5.9), 6.2, 0.0) * size
        apart = left * (6 + np.clip(level - 4.5, 0, 2) * 15) * size
        ahead = np.interp(level, (4.5, 6), (22, 17)) * size
        scene.tube(x0 + apart, front - ahead, bore + 1.2 * (bore > 0), bore + 1.2 * (bore > 0), 40.0)
        scene.tube(x0 + apart, front - ahead, bore, bore, -990.0)
    gullet = np.interp(level, (-4.01, -4, 10.5, 10.51), (0, 1, 1, 0))
    scene.tube(x0 + 5, front - 9, 9 * gullet, 6 * gullet, 38.0)
    lumen = gullet * (np.sin(level * 2.1 + rng.uniform(0, 6)) > 0.35) * 3.2
    scene.tube(x0 + 5, front - 9, lumen, 0.8 * lumen, -700.0)
    cava = np.interp(level, (8, 9, 16.4, 17), (0, 12, 11, 0)) * size
    scene.tube(x0 - 19 * size, front - np.interp(level, (8, 11, 16), (30, 14, 6)), cava, 0.8 * cava, body.vein_hu)
    azygos = np.interp(level, (3, 4, 11, 12), (0, 4, 3.5, 0))
    scene.tube(x0 - 9, front - 4, azygos, azygos, body.vein_hu)


def paint_aorta(scene: Scene, rng: Generator) -> None:
    """Descending aorta with calcified plaque, and the iliac arteries."""
    body, level, size = scene.spec.body, scene.level, scene.size
    x0, front = scene.canal[:, 0], scene.body_front
    radius = np.interp(level, (3.0, 3.5, 6, 11, 15.4, 15.8), (0, 14, 13, 11.5, 9, 0)) * size
    beside = np.interp(level, (3, 4, 8, 11, 13, 15), (20, 23, 21, 11, 6, 4)) * body.aorta_side * size
    ahead = np.interp(level, (3, 4, 8, 11, 13), (12, -3, -3, 11, 13)) * size
    wander, phases = rng.uniform(0, 6), rng.uniform(0, 6, 4)
    x, y = x0 + beside + 2.0 * np.sin(level * 0.9 + wander), front - ahead
    wall = radius + 1.5 * (radius > 0)
    scene.tube(x, y, wall, wall, 42.0)
    drawn = scene.tube(x, y, radius, radius, body.blood_hu)
    if drawn is not None:
        window, rho = drawn
        xy = (slice(None), *window[1:])
        angle = np.arctan2(scene.y[xy] - scene.column(y[window[0]]), scene.x[xy] - scene.column(x[window[0]]))
        z = scene.grid.z[window[0], None, None]
        wave = np.zeros_like(rho)
        for k, period_mm, phase in zip((1, 2, 3, 5), (19, 11, 7, 5), phases, strict=True):
            wave += np.sin(k * angle + z / np.float32(period_mm) + np.float32(phase))
        caudal = scene.column(np.interp(level[window[0]], (4, 15), (0.5, 1.0)))
        plate = clip01((wave - np.float32(2.6 - 2.2 * body.plaque)) * 1.5) * caudal
        rim = np.exp(-(((rho - 1.0) * scene.column(np.maximum(radius[window[0]], 1)) / np.float32(1.1)) ** 2))
        over(scene.hu[window], plate * rim, _PLAQUE_HU)
    for side in (-1, 1):
        iliac = np.interp(level, (15.4, 15.8, 18), (0, 7, 6)) * size
        apart = np.interp(level, (15.4, 18), (5, 42)) * side
        scene.tube(x0 + 3 + apart, front - np.interp(level, (15.4, 18), (12, -6)), iliac, iliac, body.blood_hu)


def paint_belly(scene: Scene, rng: Generator, belly: Floats) -> None:
    """Liver, spleen, kidneys, stomach, pancreas, bowel with gas."""
    body, size = scene.spec.body, scene.size
    girth = body.girth**0.7

    def blob(
        left: float,
        ahead: float,
        level: float,
        radii: tuple[float, float, float],
        hu: float,
        gas_before: float | None = None,
    ) -> None:
        scaled = (radii[0] * size, radii[1] * size, radii[2] * size)
        where = scene.place(left * size * girth, ahead * size, level)
        scene.blob(where, scaled, hu, inside=belly, gas_before=gas_before)

    blob(-66, 70, 10.3, (74 * girth, 92 * girth, 84), body.liver_hu)
    blob(-15, 108, 10.5, (70, 44, 44), body.liver_hu)
    blob(-30, 98, 11.6, (14, 26, 22), 8.0)  # gall bladder
    blob(86, 22, 10.2, (34, 46, 46), 0.95 * body.liver_hu + 4)
    blob(58, 98, 10.7, (44, 44, 46), 40.0)
    blob(58, 98, 10.7, (40, 40, 42), 18.0, float(rng.uniform(-0.9, 0.0)))
    blob(18, 78, 11.8, (60, 13, 16), 42.0 + 0.3 * (body.liver_hu - 50))
    for side, level in ((1, 12.2), (-1, 12.6)):
        blob(side * 58, 18, level, (25, 29, 54), body.kidney_hu)
        blob(side * 44, 26, level, (13, 9, 22), FAT_HU + 40)
    oral = 260.0 if body.oral_contrast else 25.0
    for _ in range(70):
        level = float(rng.uniform(12.0, 18.5))
        rim = rng.random() < 0.35  # colon lies round the small bowel
        left = float(rng.choice((-1, 1)) * rng.uniform(82, 108)) if rim else float(rng.uniform(-85, 85))
        ahead = float(rng.uniform(20, 110) if rim else rng.uniform(58, 148))
        r = float(rng.uniform(13, 22))
        gas = float(rng.uniform(-0.9, 0.7)) if rng.random() < 0.4 else None
        hu = oral if rng.random() < 0.5 else float(rng.uniform(10, 45))
        across, along = rng.uniform(0.8, 1.7, 2)
        blob(left, ahead, level, (r * float(across) + 2, r + 2, r * float(along) + 2), 42.0)
        blob(left, ahead, level, (r * float(across), r, r * float(along)), hu, gas)


def paint_around_spine(scene: Scene) -> None:
    """Psoas, crura, the muscles of the back, and the tissue that wraps the bodies."""
    level, size, hu = scene.level, scene.size, scene.spec.body.muscle_hu
    x0, canal_y, half = scene.canal[:, 0], scene.canal[:, 1], scene.half_body
    depth = canal_y - scene.body_front

    def pair(left: Array, y: Array, rx: Array, ry: Array, value: float) -> None:
        for side in (-1, 1):
            scene.tube(x0 + side * left, y, rx, ry, value)

    grow = np.interp(level, (10.8, 12, 15, 17.5), (0, 7, 19, 22)) * size
    out = np.interp(level, (11, 14, 18), (3, 9, 26)) * size
    lie = np.interp(level, (11, 15, 18), (0.45, 0.5, 0.8))
    pair(half + out, canal_y - lie * depth, 0.8 * grow, 1.1 * grow, hu)
    loin = np.interp(level, (11.3, 12, 15, 15.6), (0, 10, 14, 0)) * size
    pair(half + 32 * size, canal_y + 2, 1.3 * loin, 0.7 * loin, hu)
    crus = np.interp(level, (9.5, 10.5, 13, 14), (0, 5, 5, 0))
    pair(0 * half + 13, scene.body_front - 5, 1.6 * crus, crus, hu - 5)
    lean = scene.spec.body.muscle_fat
    erector = np.interp(level, (-4, 0, 6, 10, 15, 18), (11, 12, 13, 17, 19, 13)) * size
    pair(0 * half + 25 * size, canal_y + 30 * size, 1.35 * erector, 0.95 * erector, hu - 70 * lean)
    scene.tube(x0, scene.body_front + depth * 0.45, half + 3.0, depth * 0.55 + 2.5, 35.0)
