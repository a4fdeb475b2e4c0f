# SPDX-License-Identifier: Apache-2.0
"""All soft tissue, air and the table: what surrounds the spine on an axial slice.

Organs change slowly along z, so they are painted on a few heights and interpolated between.
"""

import numpy as np

from vcf_training.phantom.grid import Floats, Grid, clip01, coverage, over
from vcf_training.phantom.organs import paint_aorta, paint_around_spine, paint_belly, paint_chest
from vcf_training.phantom.scene import EVERYWHERE, FAT_HU, Scene
from vcf_training.phantom.spec import PhantomSpec
from vcf_training.phantom.spine import Spine
from vcf_training.phantom.texture import Texture
from vcf_training.phantom.torso import Torso

_KNOT_MM = 2.8

# Half width of the mediastinum over the distance in front of the canal, right and left.
_AHEAD_MM = (-40, 0, 30, 45, 75, 110, 150)
_MEDIASTINUM_MM = ((0, 19, 20, 18, 40, 44, 10), (0, 19, 24, 32, 48, 64, 14))


def _paint_wall(scene: Scene) -> Floats:
    """Skin, fat and muscle; returns the coverage of the cavity inside."""
    body, grid = scene.spec.body, scene.grid
    heights = grid.z.astype(float)
    skin = scene.torso.skin(heights)
    depth = scene.rim(skin)
    # The back is flat, with a groove over the spinous processes.
    from_spine = np.abs(scene.x - scene.column(scene.canal[:, 0]))
    back = scene.y - scene.column(skin.y + skin.half_depth)
    groove = np.float32(3 + 0.12 * body.fat_back_mm) * np.exp(-((from_spine / np.float32(16)) ** 2))
    depth = np.maximum(depth, back + groove)
    over(scene.hu, coverage(depth, grid.pixel_mm), 15.0)
    over(scene.hu, coverage(depth + 1.6, grid.pixel_mm), FAT_HU)
    # Fat is thicker in front than behind, and thin over shoulders and neck.
    front = clip01(np.float32(0.5) - (scene.y - scene.column(skin.y)) / scene.column(2 * skin.half_depth))
    fat_front = scene.column(body.fat_front_mm * scene.torso.front_fat(scene.level))
    fat_back = scene.column(body.fat_back_mm * np.interp(scene.level, (-2, 3), (0.35, 1.0)))
    fat = fat_back + (fat_front - fat_back) * front + 2
    grain = scene.texture.coarse(grid, EVERYWHERE)
    # Muscle in layers with fat between: where the field is near 0 runs a plane of fat.
    within = np.float32(body.muscle_hu)
    between = clip01(np.float32(0.15 + 1.1 * body.muscle_fat) - np.abs(grain)) * np.float32(2.5)
    np.minimum(between, np.float32(0.2 + 0.8 * body.muscle_fat), out=between)
    over(scene.hu, coverage(depth + fat, grid.pixel_mm), within + (FAT_HU - within) * between)

    cage = scene.rim(scene.torso.cage(heights, inset_mm=9.0))
    chest = scene.column(np.interp(scene.level, (10, 12), (1.0, 0.0)))
    in_chest = np.float32(2) + np.minimum(np.maximum(from_spine - 15, 0) * np.float32(0.75), 30)
    in_belly = np.float32(-8) + np.minimum(np.maximum(from_spine - 58, 0) * np.float32(0.9), 30)
    gutter = in_belly + chest * (in_chest - in_belly)
    behind = scene.y - scene.column(scene.canal[:, 1]) - gutter
    cavity = coverage(np.maximum(cage, behind), grid.pixel_mm)
    cavity *= scene.column(scene.level > -0.5)
    over(scene.hu, cavity, FAT_HU - 4 + 10 * grain)
    return cavity


def _paint_lungs(scene: Scene, cavity: Floats) -> Floats:
    """Air-filled lungs above the diaphragm; returns the coverage of the belly below it."""
    spec, grid = scene.spec, scene.grid
    cage = scene.torso.cage(grid.z.astype(float), inset_mm=9.0)
    dx = scene.x - scene.column(scene.canal[:, 0])
    ahead = scene.column(scene.canal[:, 1]) - scene.y
    left = dx > 0
    half = scene.column(0.55 * cage.half_width)
    u = (np.abs(dx) - half) / half
    v = (scene.y - scene.column(cage.y)) / scene.column(cage.half_depth)
    drop = np.float32(62) * (u * u + np.float32(0.8) * np.maximum(v + np.float32(0.25), 0) ** 2 + 0.25 * v * v)
    dome = np.where(left, np.float32(scene.spine.z_of(9.0)), np.float32(scene.spine.z_of(8.3)))
    recess = np.float32(scene.spine.z_of(11.6))
    chest = clip01((grid.z[:, None, None] - np.maximum(dome - drop, recess)) / np.float32(2.5) + 0.5)

    steps = np.arange(_AHEAD_MM[0], _AHEAD_MM[-1] + 1)
    right_half, left_half = (np.interp(steps, _AHEAD_MM, row).astype(np.float32) for row in _MEDIASTINUM_MM)
    at = np.clip(np.rint(ahead).astype(np.int32) - steps[0], 0, len(steps) - 1)
    narrow = scene.column(np.interp(scene.level, (0, 3, 6), (0.62, 0.75, 1.0)))
    middle = np.where(left, left_half[at], right_half[at]) * narrow
    wrapped = scene.column(scene.half_body + 3.5) * (ahead < 42) * (ahead > -8)
    lung = cavity * chest * clip01((np.abs(dx) - np.maximum(middle, wrapped)) / np.float32(grid.pixel_mm) + 0.5)
    grain = scene.texture.coarse(grid, EVERYWHERE)
    hilum = np.float32(0.9) * np.exp(-(((np.abs(dx) - 42) / 26) ** 2) - ((ahead - 50) / 34) ** 2)
    vessels = clip01((grain - np.float32(1.85) + hilum) * 3) * np.float32(760)
    over(scene.hu, lung, np.float32(spec.body.lung_hu) + np.float32(12) * grain + vessels)
    below: Floats = cavity * (1 - chest)
    return below


def _paint_arms(scene: Scene) -> None:
    """Shoulders, and the arms where they lie beside the trunk."""
    size = scene.size
    for side in (-1, 1):
        for left, level in ((150, 0.6), (172, -0.4)):
            scene.blob(scene.place(side * left * size, 0, level), (52 * size, 50 * size, 46), FAT_HU)
            scene.blob(scene.place(side * left * size, 0, level), (44 * size, 42 * size, 40), scene.spec.body.muscle_hu)
        if not scene.spec.body.arms_down:
            continue
        for level in np.arange(1.0, 15.0, 1.2).tolist():
            where = scene.place(side * (186 + 2.5 * level) * size, 0, level)
            scene.blob(where, (50 * size, 54 * size, 48), FAT_HU)
            scene.blob(where, (40 * size, 44 * size, 40), scene.spec.body.muscle_hu)


def _paint_table(scene: Scene) -> None:
    """A carbon shell filled with foam, its edges bent up; the scanner's, so it does not roll with the patient."""
    skin = scene.torso.skin(np.linspace(scene.spine.bottom_mm, scene.spine.top_mm, 12))
    lowest = float((skin.y + skin.half_depth).max()) + 3
    x, y = scene.grid.x[None, None, :], scene.grid.y[None, :, None]
    top = np.float32(lowest) - np.float32(26) * (x / np.float32(215)) ** 2
    inside = clip01((np.float32(215) - np.abs(x)) / scene.grid.pixel_mm + 0.5)
    for middle, thickness, hu in ((14.0, 26.0, -955.0), (0.0, 1.8, -120.0), (28.0, 1.8, -150.0)):
        share = coverage(np.abs(y - top - np.float32(middle)) - np.float32(thickness / 2), scene.grid.pixel_mm) * inside
        over(scene.hu, np.broadcast_to(share, scene.hu.shape), hu)


def paint_soft(grid: Grid, spec: PhantomSpec, spine: Spine, torso: Torso, texture: Texture) -> Floats:
    """Everything but bone, discs and canal, in HU on the grid."""
    few = int(np.ceil(float(grid.z[-1] - grid.z[0]) / _KNOT_MM)) + 1
    dense = len(grid.z) > few
    z = np.linspace(grid.z[0], grid.z[-1], few).astype(np.float32) if dense else grid.z
    knots = Grid(z, grid.y, grid.x, grid.pixel_mm, max(grid.slice_mm, _KNOT_MM))
    scene = Scene.of(knots, spec, spine, torso, texture)
    rng = np.random.default_rng([spec.body.seed, 7])
    _paint_table(scene)
    _paint_arms(scene)
    cavity = _paint_wall(scene)
    belly = _paint_lungs(scene, cavity)
    paint_belly(scene, rng, belly)
    paint_around_spine(scene)
    paint_chest(scene, rng, cavity)
    paint_aorta(scene, rng)
    if not dense:
        return scene.hu
    at = (grid.z - z[0]) / np.float32((z[-1] - z[0]) / (few - 1))
    low = np.minimum(at.astype(np.int64), few - 2)
    share = (at - low).astype(np.float32)[:, None, None]
    hu: Floats = scene.hu[low]
    hu += share * (scene.hu[low + 1] - hu)
    return hu
