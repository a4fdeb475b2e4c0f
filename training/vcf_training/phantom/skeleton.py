# SPDX-License-Identifier: Apache-2.0
"""All bone but the vertebral bodies, as capsules: arches, processes, sacral wings, pelvis, ribs, sternum, shoulders."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vcf_training.phantom.bone import BoneCanvas, Capsule, Point, paint_body, paint_capsule
from vcf_training.phantom.spec import PhantomSpec
from vcf_training.phantom.spine import Pose, Spine
from vcf_training.phantom.torso import Torso
from vcf_training.phantom.vertebra import canal_v, heights_mm

Array = NDArray[np.float64]


def arch(pose: Pose) -> Iterator[Capsule]:
    """Pedicles, laminae, facets and processes of a vertebra."""
    for capsule in _arch(pose):
        yield replace(capsule, centre=pose.centre, axes=pose.axes)


def _arch(pose: Pose) -> Iterator[Capsule]:
    """The same in the vertebra's own axes."""
    v = pose.spec
    lumbar = v.level[0] in "LS"
    height = min(heights_mm(v)[2], v.posterior_mm)
    h, half_w, half_ap = v.posterior_mm, v.canal_width_mm / 2, v.canal_depth_mm / 2
    canal = canal_v(v)
    cortex = 0.4 + 0.8 * v.endplate_mm
    pw, ph = v.pedicle_width_mm / 2, v.pedicle_height_mm / 2
    pedicle_w = max(height / 2 - ph - 0.5, -1.0)
    root = canal + half_ap + 3.2
    for side in (-1, 1):
        pedicle_u = side * (half_w + pw)
        yield Capsule(
            (pedicle_u * 0.97, v.depth_mm / 2 - 3, pedicle_w), (pedicle_u, canal + 1, pedicle_w), (pw, pw, ph), cortex
        )
        yield Capsule(
            (side * (half_w + 2.4), canal + 0.35 * half_ap, 0.02 * h),
            (side * 0.8, root, -0.14 * h),
            (3.3, 3.1, (0.30 if lumbar else 0.40) * h),
            1.3 * cortex,
        )
        if lumbar:
            outer, inner = side * (half_w + 0.8 * pw), side * 0.72 * half_w
            yield Capsule(
                (outer, canal + 2, 0), (side * (half_w + 3.5), canal + 0.55 * half_ap, 0.66 * h), (4.6, 5, 5), cortex
            )
            yield Capsule((0.8 * inner, root - 1, -0.1 * h), (inner, root + 0.5, -0.8 * h), (5, 4, 5), cortex)
            yield Capsule(
                (side * (half_w + pw), canal, 0.1 * h),
                (side * v.transverse_mm, canal + 3, 0.16 * h),
                (3.4, 3.0, 4.8),
                0.7 * cortex,
            )
        else:
            facet = side * (half_w + 0.5)
            yield Capsule((facet, canal + 4, 0.1 * h), (facet, canal + 4.5, 0.68 * h), (5, 2.5, 4), cortex)
            yield Capsule((0.85 * facet, root - 1, 0.0), (0.85 * facet, root - 0.5, -0.64 * h), (5, 2.5, 4), cortex)
            reach = v.transverse_mm - half_w
            yield Capsule(
                (side * (half_w + 0.8 * pw), canal + 2, 0.1 * h),
                (side * v.transverse_mm, canal + 2 + 0.6 * reach, 0.2 * h),
                (4.2, 4.2, 5.0),
                0.8 * cortex,
            )
    tip = canal + half_ap + v.spinous_mm
    yield Capsule(
        (0, root + 1, -0.16 * h),
        (0, tip - 3, -0.16 * h - v.spinous_drop_mm),
        (3.1, 3.5, 0.33 * h) if lumbar else (2.8, 3, 4.8),
        1.2 * cortex,
    )


def _sacrum(spine: Spine) -> Iterator[Capsule]:
    """Wings of the sacrum and of the ilium."""
    for pose in spine.poses:
        if not pose.spec.level.startswith("S"):
            continue
        w, h = pose.spec.width_mm, pose.spec.posterior_mm
        thick = (11, 0.4 * pose.spec.depth_mm, 0.5 * h)
        for side in (-1, 1):
            yield Capsule((side * 0.35 * w, 2, -1), (side * (0.5 * w + 18), 14, -4), thick, 0.8, pose.centre, pose.axes)
    sacrum = next(p for p in spine.poses if p.spec.level == "S1")
    turn = _turn(sacrum)
    for side in (-1, 1):
        angle = np.radians(42) * side
        blade = turn @ np.array([[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1.0]])
        for point, radii in (
            ((side * 62, 24, -6), (9, 22, 40)),
            ((side * 86, 2, 12), (5.5, 46, 42)),
            ((side * 112, -26, 18), (6.5, 30, 24)),
        ):
            yield Capsule((0, 0, 0), (0, 0.1, 0), radii, 1.6, sacrum.centre + turn @ np.array(point, float), blade)


def _turn(pose: Pose) -> Array:
    """Rotation about z of a pose."""
    angle = np.arctan2(pose.axes[1, 0], pose.axes[0, 0])
    return np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])


_RIB_END_DEG = (150, 152, 152, 152, 150, 148, 145, 135, 125, 115, 85, 58)
_RIB_DROP_MM = (38, 48, 58, 66, 72, 76, 80, 82, 78, 70, 50, 36)


def _rib(pose: Pose, number: int, side: int, torso: Torso, near_spine: bool) -> list[Array]:
    """Points of a rib from its head round the chest wall to its cartilage, or only to its angle."""
    v = pose.spec
    canal = canal_v(v)
    reach = v.transverse_mm - v.canal_width_mm / 2
    high = 0.42 if 1 < number < 11 else 0.1
    head = pose.to_scan(np.array((side * (0.5 * v.width_mm + 1), v.depth_mm / 2 - 3, high * v.posterior_mm)))
    neck = np.array((side * (v.transverse_mm - 1), canal + 0.6 * reach - 3.5, 0.27 * v.posterior_mm))
    points = [head, pose.to_scan(neck)]
    start, end = 22.0, float(_RIB_END_DEG[number - 1])
    angles = np.arange(start + 6, end + 1, 7.0)[: 3 if near_spine else None]
    z = points[1][2] - _RIB_DROP_MM[number - 1] * np.minimum((angles - start) / 125, 1) ** 1.1
    return [*points, *torso.cage_points(np.radians(angles), side, z)]


def _chain(points: Iterable[Array], radii: Point, cortex_mm: float) -> Iterator[Capsule]:
    for a, b in pairwise(points):
        x, y, z = (b - a).tolist()
        yield Capsule((0, 0, 0), (x, y, z), radii, cortex_mm, a)


def _shoulders(spine: Spine, torso: Torso, arms_down: bool) -> Iterator[Capsule]:
    z1 = spine.z_of(0.3)
    for side in (-1, 1):
        back = torso.point(side * 62, 48, z1 - 8)
        glenoid = torso.point(side * 148, 12, z1 - 4)
        tip = torso.point(side * 82, 52, spine.z_of(6))
        edge = torso.point(side * 118, 40, spine.z_of(4))
        yield from _chain([back, glenoid, edge, tip, back], (4, 3.2, 6), 1.2)
        yield from _chain([back, edge], (3, 1.8, 10), 0.8)
        clavicle = [torso.point(side * x, y, z1 + dz) for x, y, dz in ((22, -72, -22), (70, -70, -8), (140, -20, 6))]
        yield from _chain(clavicle, (5.5, 5.5, 5.5), 1.5)
        head = torso.point(side * (174 if arms_down else 168), 5, z1 + (-2 if arms_down else 8))
        yield from _chain([head, head], (23, 23, 23), 1.0)
        if arms_down:
            shaft = [torso.point(side * 178, 5, z1 - 6), torso.point(side * 205, 10, z1 - 300)]
            yield from _chain(shaft, (10.5, 10.5, 10.5), 3.2)


def _all_but_bodies(spec: PhantomSpec, spine: Spine, torso: Torso, near_spine: bool) -> Iterator[Capsule]:
    for pose in spine.poses:
        yield from arch(pose)
        level = pose.spec.level
        if level.startswith("T"):
            for side in (-1, 1):
                points = _rib(pose, int(level[1:]), side, torso, near_spine)
                yield from _chain(points, (3.8, 3.6, 5.8), 0.5 + 0.7 * pose.spec.endplate_mm)
    yield from _sacrum(spine)
    if not near_spine:
        top, bottom = torso.sternum_z
        yield from _chain([torso.sternum_point(z) for z in np.linspace(top, bottom, 7)], (15, 5, 12), 0.8)
        yield from _shoulders(spine, torso, spec.body.arms_down)


@dataclass(frozen=True)
class Skeleton:
    """All bones of a patient, found once and painted block by block."""

    poses: tuple[Pose, ...]
    capsules: tuple[Capsule, ...]
    low_mm: Array
    high_mm: Array
    """z between which each capsule lies."""

    @classmethod
    def of(cls, spec: PhantomSpec, spine: Spine, torso: Torso, *, near_spine: bool) -> "Skeleton":
        """``near_spine`` leaves out what lies away from it."""
        capsules = tuple(_all_but_bodies(spec, spine, torso, near_spine))
        bounds = np.array([c.bounds() for c in capsules])
        return cls(spine.poses, capsules, bounds[:, 0, 2], bounds[:, 1, 2])

    def paint(self, canvas: BoneCanvas) -> None:
        """Add every bone that the canvas can show."""
        for pose in self.poses:
            paint_body(canvas, pose)
        reach = canvas.grid.slice_mm
        seen = (self.low_mm < canvas.grid.z[-1] + reach) & (self.high_mm > canvas.grid.z[0] - reach)
        for i in np.flatnonzero(seen).tolist():
            paint_capsule(canvas, self.capsules[i])
