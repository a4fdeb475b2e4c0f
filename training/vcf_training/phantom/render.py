# SPDX-License-Identifier: Apache-2.0
"""A patient's description becomes a CT volume and its truth."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vcf_preprocess.geometry import Volume
from vcf_training.phantom.anatomy import GRADED
from vcf_training.phantom.bone import BoneCanvas
from vcf_training.phantom.canal import paint_canal, paint_discs
from vcf_training.phantom.grid import Grid
from vcf_training.phantom.scanner import scan
from vcf_training.phantom.skeleton import Skeleton
from vcf_training.phantom.soft import paint_soft
from vcf_training.phantom.spec import PhantomSpec
from vcf_training.phantom.spine import Spine, build_spine
from vcf_training.phantom.texture import Texture
from vcf_training.phantom.torso import Torso
from vcf_training.phantom.vertebra import heights_mm, landmarks

_CHUNK = 16
"""Slices of a body rendered at once: keeps temporary arrays small enough to be reused."""
SPINE_BOX_MM = {"front": 60.0, "back": 25.0, "side": 32.0}
"""Around the whole centre line, of ``region='spine'``."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Vertebra:
    """Truth about one vertebra; mm from the centre of voxel (0, 0, 0)."""

    level: str
    centre_mm: tuple[float, float, float]
    """x, y, z of the body's middle."""
    heights_mm: tuple[float, float, float]
    """Anterior, middle, posterior."""
    z0_mm: float
    z1_mm: float
    """Lowest and highest landmark of its endplates in the mid-sagittal plane."""
    grade: int
    shape: str | None


@dataclass(frozen=True)
class Phantom:
    """A rendered study and its truth; lengths in mm from the centre of voxel (0, 0, 0)."""

    volume: Volume
    centre_line_mm: Array
    """(Nz, 2): x, y of the canal's centre on each slice."""
    canal_boxes_mm: Array
    """(Nz, 2): width left-right and height antero-posterior of the canal on each slice."""
    vertebrae: tuple[Vertebra, ...]
    """Those of T1–L5 whose centre lies in the volume, from head to feet."""
    spec: PhantomSpec


@dataclass(frozen=True)
class Slices:
    """A few axial slices and the canal on each; mm from the centre of the first pixel."""

    hu: NDArray[np.int16]
    pixel_mm: float
    centre_mm: Array
    """(n, 2): x, y."""
    boxes_mm: Array
    """(n, 2): width, height."""


def fractured_in(vertebrae: Sequence[Vertebra], z0_mm: float, z1_mm: float) -> bool:
    """Tell whether a fracture's centre or half of its height lies in the patch from ``z0_mm`` to ``z1_mm``."""
    low, high = min(z0_mm, z1_mm), max(z0_mm, z1_mm)
    for v in vertebrae:
        if not v.grade:
            continue
        shared = min(high, v.z1_mm) - max(low, v.z0_mm)
        if low <= v.centre_mm[2] <= high or shared >= 0.5 * (v.z1_mm - v.z0_mm):
            return True
    return False


def _boxes(spine: Spine, z: Array) -> Array:
    """Axis-aligned extent of the canal's ellipse."""
    at = spine.canal_at(z)
    cos, sin = np.cos(at[:, 4]), np.sin(at[:, 4])
    return np.stack(
        (2 * np.hypot(at[:, 2] * cos, at[:, 3] * sin), 2 * np.hypot(at[:, 2] * sin, at[:, 3] * cos)), axis=1
    )


def _truth(spine: Spine, origin: Array, top_mm: float) -> tuple[Vertebra, ...]:
    found = []
    for pose in spine.poses:
        v = pose.spec
        if v.level not in GRADED or not origin[2] <= pose.centre[2] <= top_mm:
            continue
        at, upper, lower = landmarks(v)
        points = np.array([(0, y, w) for plate in (upper, lower) for y, w in zip(at, plate, strict=True)])
        placed = pose.to_scan(points) - origin
        x, y, z = placed.mean(0).tolist()
        found.append(
            Vertebra(
                v.level,
                (x, y, z),
                heights_mm(v),
                float(placed[:, 2].min()),
                float(placed[:, 2].max()),
                v.fracture.grade if v.fracture else 0,
                v.fracture.shape if v.fracture else None,
            )
        )
    return tuple(found)


def _plane(
    spec: PhantomSpec, spine: Spine, pixel_mm: float, region: str
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """y and x of the pixel centres."""
    if region == "spine":
        line = spine.canal_at(np.arange(spine.bottom_mm, spine.top_mm, 1.0))[:, :2]
        x0, y0 = line.min(0) - np.array((SPINE_BOX_MM["side"], SPINE_BOX_MM["front"]))
        x1, y1 = line.max(0) + np.array((SPINE_BOX_MM["side"], SPINE_BOX_MM["back"]))
    elif region == "body":
        field = spec.acquisition.spacing_mm[2] * spec.acquisition.matrix
        skin = Torso(spec, spine).skin(np.linspace(spine.bottom_mm, spine.top_mm, 8))
        middle = np.array((float(skin.x.mean()), float(skin.y.mean()) + 10)) + spec.acquisition.centre_mm
        (x0, y0), (x1, y1) = middle - field / 2, middle + field / 2
    else:
        raise ValueError(f"region {region!r} is unknown, accepted are 'body' and 'spine'")
    return (
        np.arange(round((y1 - y0) / pixel_mm), dtype=np.float32) * np.float32(pixel_mm) + np.float32(y0),
        np.arange(round((x1 - x0) / pixel_mm), dtype=np.float32) * np.float32(pixel_mm) + np.float32(x0),
    )


def _render_block(
    grid: Grid, spec: PhantomSpec, torso: Torso, skeleton: Skeleton, rng: np.random.Generator
) -> NDArray[np.int16]:
    spine, texture = torso.spine, Texture.of(spec.body.seed)
    hu = paint_soft(grid, spec, spine, torso, texture)
    paint_discs(hu, grid, spine)
    bone = BoneCanvas(grid, texture, 0.8 * spec.vertebra("L1").trabecular_hu + 150)
    skeleton.paint(bone)
    bone.flatten(hu)
    paint_canal(hu, grid, spine)
    return scan(hu, grid, spec.acquisition, spine, rng)


def render(spec: PhantomSpec, *, spacing_mm: tuple[float, float, float] | None = None, region: str = "body") -> Phantom:
    """Render a patient.

    Parameters
    ----------
    spacing_mm
        (z, y, x) in place of the scan's own; y and x must be equal.
    region
        ``body``, or ``spine``: only a box of ``SPINE_BOX_MM`` around the whole centre line, many times faster.

    Raises
    ------
    ValueError
        If the pixels are not square or the region is unknown.
    """
    dz, dy, dx = spacing_mm or spec.acquisition.spacing_mm
    if abs(dy - dx) > 1e-6 or min(dz, dy) <= 0:
        raise ValueError(f"spacing_mm is {(dz, dy, dx)}, accepted are positive sizes with square pixels (z, y, y)")
    spine = build_spine(spec)
    y, x = _plane(spec, spine, dx, region)
    count = max(int((spine.top_mm - spine.bottom_mm) / dz) + 1, 2)
    z = np.arange(count, dtype=np.float64) * dz + spine.bottom_mm
    rng = np.random.default_rng([spec.seed, 11])
    torso = Torso(spec, spine)
    skeleton = Skeleton.of(spec, spine, torso, near_spine=region == "spine")
    chunk = count if region == "spine" else _CHUNK
    hu = np.empty((count, len(y), len(x)), np.int16)
    for start in range(0, count, chunk):
        part = z[start : start + chunk].astype(np.float32)
        grid = Grid(part, y, x, dx, dz * spec.acquisition.overlap)
        hu[start : start + chunk] = _render_block(grid, spec, torso, skeleton, rng)
    origin = np.array((x[0], y[0], z[0]), float)
    affine = np.diag((dx, dy, dz, 1.0))
    affine[:3, 3] = origin
    return Phantom(
        Volume(hu, (dz, dy, dx), affine),
        spine.canal_at(z)[:, :2] - origin[:2],
        _boxes(spine, z),
        _truth(spine, origin, float(z[-1])),
        spec,
    )


def render_slices(
    spec: PhantomSpec,
    z_mm: Sequence[float],
    *,
    pixel_mm: float | None = None,
    slice_mm: float | None = None,
    region: str = "body",
) -> Slices:
    """Render only the axial slices at heights ``z_mm`` above the bottom of the field of view, in ascending order.

    Raises
    ------
    ValueError
        If the heights do not ascend or lie outside the field of view.
    """
    spine = build_spine(spec)
    z = np.asarray(z_mm, np.float64) + spine.bottom_mm
    if len(z) == 0 or (np.diff(z) <= 0).any() or z[0] < spine.bottom_mm or z[-1] > spine.top_mm:
        raise ValueError(f"z_mm must ascend within 0 and {spine.top_mm - spine.bottom_mm:.0f} mm, it is {list(z_mm)}")
    dz, _, dx = spec.acquisition.spacing_mm
    pixel_mm = pixel_mm or dx
    y, x = _plane(spec, spine, pixel_mm, region)
    grid = Grid(z.astype(np.float32), y, x, pixel_mm, slice_mm or dz * spec.acquisition.overlap)
    torso = Torso(spec, spine)
    skeleton = Skeleton.of(spec, spine, torso, near_spine=region == "spine")
    hu = _render_block(grid, spec, torso, skeleton, np.random.default_rng([spec.seed, 12]))
    return Slices(hu, pixel_mm, spine.canal_at(z)[:, :2] - (x[0], y[0]), _boxes(spine, z))


def extent_mm(spec: PhantomSpec) -> float:
    """Height of the field of view."""
    spine = build_spine(spec)
    return spine.top_mm - spine.bottom_mm


def with_acquisition(spec: PhantomSpec, **changes: object) -> PhantomSpec:
    """The same patient scanned otherwise."""
    return replace(spec, acquisition=replace(spec.acquisition, **changes))  # type: ignore[arg-type]
