# SPDX-License-Identifier: Apache-2.0
"""A mask becomes a CT: surfaces smoothed, shells of cortex, marrow with a grain, discs, canal, tissue around."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, find_objects, gaussian_filter, map_coordinates

from vcf_preprocess.geometry import Volume
from vcf_training.masks.background import of_patient, painted
from vcf_training.masks.look import Look
from vcf_training.masks.spines import MaskSpine
from vcf_training.phantom.grid import Grid, Window, coverage
from vcf_training.phantom.texture import Texture
from vcf_training.warp.body import Body
from vcf_training.warp.patients import Patient

Array = NDArray[np.float64]
Floats = NDArray[np.float32]

VOXEL_MM = 1.0
BOX_MM = {"side": 40.0, "front": 78.0, "back": 36.0}
"""About the canal: what patches, and the deformations that move them, can reach."""
MARGIN_MM = 14.0
"""How far about a vertebra its distance is worked out: half of the widest gap between two."""
SMOOTH_MM = 0.7
"""Standard deviation of the Gaussian that takes the voxels' steps off a surface."""
DISC_GAP_MM = 15.0
CANAL_RADIUS_MM = (9.0, 7.0)
CANAL_HU = 30.0


def rendered(spine: MaskSpine, look: Look, backgrounds: Sequence[Patient] = ()) -> Patient:
    """Render a spine as a patient whose vertebrae are known; 1 mm voxels, without noise.

    ``backgrounds``: real patients that lend what lies around the spine, where the look asks for it.
    """
    rng = np.random.default_rng(look.seed)
    low, high = spine.canal_mm.min(0), spine.canal_mm.max(0)
    z = np.arange(0, (len(spine.labels) - 1) * spine.spacing_mm[0], VOXEL_MM)
    y = np.arange(low[1] - BOX_MM["front"], high[1] + BOX_MM["back"], VOXEL_MM)
    x = np.arange(low[0] - BOX_MM["side"], high[0] + BOX_MM["side"], VOXEL_MM)
    heights = np.arange(len(spine.labels)) * spine.spacing_mm[0]
    canal = np.stack([np.interp(z, heights, spine.canal_mm[:, i]) for i in (0, 1)], axis=1)
    beside = (x - canal[:, :1])[:, None, :].astype(np.float32)
    behind = (y - canal[:, 1:])[:, :, None].astype(np.float32)
    if look.real_background and backgrounds:
        lender = backgrounds[int(rng.integers(len(backgrounds)))]
        hu = of_patient(lender, z, beside, behind, look, rng)
    else:
        hu = painted((len(z), len(y), len(x)), beside, behind, look, rng)
    hu[(beside / CANAL_RADIUS_MM[0]) ** 2 + (behind / CANAL_RADIUS_MM[1]) ** 2 < 1] = CANAL_HU
    _paint_spine(hu, (z, y, x), spine, behind, look)
    hu = gaussian_filter(hu, (0, look.blur_mm / VOXEL_MM, look.blur_mm / VOXEL_MM))
    origin = np.array((x[0], y[0], 0.0))
    affine = np.diag((VOXEL_MM, VOXEL_MM, VOXEL_MM, 1.0))
    bodies = tuple(_moved(body, -origin) for body in spine.bodies)
    sound = frozenset(b.level for b in bodies if b.level not in spine.grades)
    volume = Volume(np.clip(np.rint(hu), -1024, 3071).astype(np.int16), (VOXEL_MM,) * 3, affine)
    return Patient(spine.name, volume, canal - origin[:2], (0, len(z) - 1), bodies, sound, dict(spine.grades))


def _moved(body: Body, by_mm: Array) -> Body:
    return Body(body.level, body.origin + by_mm, body.axes, body.depth_mm, body.width_mm, body.upper, body.lower)


def _paint_spine(hu: Floats, axes: tuple[Array, Array, Array], spine: MaskSpine, behind: Floats, look: Look) -> None:
    """Discs first, then each vertebra, in place."""
    nearest, second = (np.full(hu.shape, np.float32(2 * MARGIN_MM)) for _ in range(2))
    parts = []
    for label, box in enumerate(find_objects(spine.labels), start=1):
        if box is None:
            continue
        window, distance = _distance(spine, label, box, axes)
        parts.append((window, distance))
        first, other = nearest[window], second[window]
        other[...] = np.minimum(other, np.maximum(first, distance))
        first[...] = np.minimum(first, distance)
    disc = (nearest + second < DISC_GAP_MM) & (behind < -CANAL_RADIUS_MM[1])
    hu[disc] = look.disc_hu
    texture = Texture.of(look.seed)
    z, y, x = (values.astype(np.float32) for values in axes)
    grid = Grid(z, y, x, VOXEL_MM, VOXEL_MM)
    for window, distance in parts:
        _paint_vertebra(hu[window], distance, behind[window[0], window[1]], texture.fine(grid, window), look)


def _distance(
    spine: MaskSpine, label: int, box: tuple[slice, ...], axes: tuple[Array, Array, Array]
) -> tuple[Window, Floats]:
    """Signed distance from a vertebra in mm, negative inside, on the part of the grid about it."""
    margins = [int(np.ceil(MARGIN_MM / mm)) for mm in spine.spacing_mm]
    around = [slice(max(s.start - m, 0), s.stop + m) for s, m in zip(box, margins, strict=True)]
    mask = np.pad(spine.labels[tuple(around)] == label, 1)
    distance = distance_transform_edt(~mask, spine.spacing_mm) - distance_transform_edt(mask, spine.spacing_mm)
    distance -= np.sign(distance) * min(spine.spacing_mm) / 2  # between voxel centres, where the surface lies
    distance = gaussian_filter(distance, [SMOOTH_MM / mm for mm in spine.spacing_mm])
    spans, index = [], []
    for axis, (values, part, mm, size) in enumerate(
        zip(axes, around, spine.spacing_mm, spine.labels.shape, strict=True)
    ):
        stop = min(part.stop, size)
        first, last = np.searchsorted(values, ((part.start - 0.5) * mm, (stop - 0.5) * mm))
        spans.append(slice(int(first), int(last)))
        at = values[spans[-1]] / mm - part.start + 1
        index.append(at.reshape([-1 if i == axis else 1 for i in range(3)]))
    grid = np.stack(np.broadcast_arrays(*index)).astype(np.float32)
    found = map_coordinates(distance, grid, output=np.float32, order=1, mode="nearest")
    return (spans[0], spans[1], spans[2]), found


def _paint_vertebra(hu: Floats, distance: Floats, behind: Floats, grain: Floats, look: Look) -> None:
    """Marrow with its grain inside a shell of cortex; the endplates' shell is thicker or thinner than the walls'."""
    steps = np.gradient(distance, VOXEL_MM)
    upright = np.abs(steps[0]) / (np.sqrt(sum(step**2 for step in steps)) + 1e-3)
    thick = look.cortex_mm * (1 + (look.endplate - 1) * upright)
    whole, core = coverage(distance, VOXEL_MM), coverage(distance + thick, VOXEL_MM)
    marrow = (look.trabecular_hu + look.arch_hu * np.clip((behind + 8) / 8, 0, 1)) * (1 + look.grain * grain)
    hu += whole * (core * marrow + (1 - core) * look.cortex_hu - hu)
