# SPDX-License-Identifier: Apache-2.0
"""Stacking the vertebrae: curves, discs, and what a fracture does to the spine above it.

Scan axes are the canonical volume's: x to the patient's left, y to the back, z to the head. The origin is anywhere;
``Spine.bottom_mm`` and ``top_mm`` bound the field of view.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from vcf_training.phantom.anatomy import LEVELS
from vcf_training.phantom.spec import PhantomSpec, Posture, VertebraSpec
from vcf_training.phantom.vertebra import canal_v, heights_mm, landmarks

Array = NDArray[np.float64]
_LORDOSIS_SHARE = (0.10, 0.14, 0.18, 0.24, 0.34)
"""The share of the lordosis that each step L1–L2 … L5–S1 takes."""
_MIN_DISC_MM = 1.2


@dataclass(frozen=True)
class Pose:
    """A vertebra in place. ``axes`` has the vertebra's u, v, w as columns."""

    spec: VertebraSpec
    centre: Array
    axes: Array

    def to_scan(self, points: Array) -> Array:
        """Map points (…, 3) from the vertebra's own axes."""
        return points @ self.axes.T + self.centre


@dataclass(frozen=True)
class Spine:
    """All vertebrae in place, from head to feet, and the canal behind them as splines over z."""

    poses: tuple[Pose, ...]
    canal: CubicSpline
    """z → x, y, half width, half depth, angle about z; slices cut it in that ellipse."""
    bottom_mm: float
    top_mm: float

    def canal_at(self, z: Array) -> Array:
        """Canal at heights z: (n, 5), see ``canal``; constant beyond the modelled spine."""
        return np.asarray(self.canal(np.clip(z, self.canal.x[0], self.canal.x[-1])))

    def z_of(self, level: float) -> float:
        """Height of an anatomical level counted in vertebrae: T1 is 0, T12 11, L5 16, fractions between."""
        first = LEVELS.index("T1")
        return float(np.interp(level + first, range(len(self.poses)), [p.centre[2] for p in self.poses]))

    def level_at(self, z: Array) -> Array:
        """Inverse of ``z_of``."""
        heights = np.array([p.centre[2] for p in self.poses])[::-1]
        return np.asarray(np.interp(z, heights, np.arange(len(heights))[::-1] - LEVELS.index("T1")))


def _rotation(lean: float, left: float, twist: float) -> Array:
    """Axes leaning forward, to the left, and twisted about z (radians)."""
    cl, sl, cf, sf, ct, st = np.cos(lean), np.sin(lean), np.cos(left), np.sin(left), np.cos(twist), np.sin(twist)
    about_x = np.array([[1, 0, 0], [0, cl, -sl], [0, sl, cl]])
    about_y = np.array([[cf, 0, sf], [0, 1, 0], [-sf, 0, cf]])
    about_z = np.array([[ct, -st, 0], [st, ct, 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x)


def _lean_deg(posture: Posture) -> Array:
    """Forward lean of each level: sacrum forward, L1 backward, T1 forward again."""
    t1, t12, l1 = (LEVELS.index(level) for level in ("T1", "T12", "L1"))
    s1 = LEVELS.index("S1")
    lean = np.zeros(len(LEVELS))
    lean[l1] = -0.32 * posture.lordosis_deg
    for step, level in enumerate(range(l1 + 1, s1 + 1)):
        lean[level] = lean[level - 1] + _LORDOSIS_SHARE[step] * posture.lordosis_deg
    lean[s1 + 1 :] = lean[s1] + 12 * np.arange(1, len(LEVELS) - s1)
    lean[t12] = lean[l1] + 1
    bend = 1 + 0.7 * np.sin(np.linspace(0, np.pi, t12 - t1))  # strongest at mid-thorax
    bend *= posture.kyphosis_deg / bend.sum()
    for step, level in enumerate(range(t12 - 1, t1 - 1, -1)):
        lean[level] = lean[level + 1] + bend[step]
    for level in range(t1 - 1, -1, -1):
        lean[level] = lean[level + 1] - 5
    return lean


def _orientations(spec: PhantomSpec) -> list[Array]:
    posture = spec.posture
    lean = _lean_deg(posture)
    kept = 0.0  # angle that the fractures below hand on to the spine above
    for i in range(len(LEVELS) - 1, -1, -1):
        v = spec.vertebrae[i]
        lean[i] += kept
        if v.fracture:
            at, upper, lower = landmarks(v)
            before = (v.posterior_mm - v.anterior_mm) / (at[2] - at[0])
            now = (upper[2] - upper[0] - lower[2] + lower[0]) / (at[2] - at[0])
            angle = v.fracture.angulation * np.degrees(now - before)
            lean[i] += (1 - v.fracture.upper_share) * angle
            kept += angle
    s = (np.arange(len(LEVELS)) - LEVELS.index("T1")) / 16
    phase = np.clip((s - posture.apex) / 0.35, -1, 1)
    left = posture.tilt_deg + 0.5 * posture.cobb_deg * np.sin(np.pi * phase)
    twist = 0.3 * posture.cobb_deg * np.cos(np.pi * phase / 2) ** 2
    return [_rotation(*np.radians(angles)) for angles in zip(lean, left, twist, strict=True)]


def _stack(spec: PhantomSpec) -> list[Pose]:
    """Poses from the sacrum upwards, each on the disc below it."""
    axes = _orientations(spec)
    poses: list[Pose] = []
    for i in range(len(LEVELS) - 1, -1, -1):
        v = spec.vertebrae[i]
        at, _, lower = landmarks(v)
        if not poses:
            poses.append(Pose(v, np.zeros(3), axes[i]))
            continue
        below = poses[-1]
        up = axes[i][:, 2] + below.axes[:, 2]
        up /= np.linalg.norm(up)
        b_at, b_upper, _ = landmarks(below.spec)
        centre = (
            below.centre
            + below.axes[:, 2] * (b_upper[0] + b_upper[2]) / 2
            + up * v.disc_mm
            - axes[i][:, 2] * (lower[0] + lower[2]) / 2
        )
        floor = [axes[i] @ (0, y * 1.2, w) + centre for y, w in zip(at[::2], lower[::2], strict=True)]
        roof = [below.to_scan(np.array((0, y * 1.2, w))) for y, w in zip(b_at[::2], b_upper[::2], strict=True)]
        narrowest = min(float((f - r) @ up) for f, r in zip(floor, roof, strict=True))
        centre = centre + up * max(_MIN_DISC_MM - narrowest, 0)
        poses.append(Pose(v, centre, axes[i]))
    return poses[::-1]


def build_spine(spec: PhantomSpec) -> Spine:
    """Put the patient's vertebrae and canal in place."""
    poses = _stack(spec)
    names = [p.spec.level for p in poses]
    first, last = (names.index(level) for level in spec.levels)
    middle = np.mean([p.centre for p in poses[first : last + 1]], axis=0)
    turn = _rotation(0, 0, np.radians(spec.posture.roll_deg))
    poses = [Pose(p.spec, turn @ (p.centre - middle), turn @ p.axes) for p in poses]

    rows = []
    for p in poses[::-1]:
        v = p.spec
        x, y, z = p.to_scan(np.array((0, canal_v(v), 0)))
        slope = float(np.hypot(p.axes[0, 2], p.axes[1, 2]) / p.axes[2, 2])
        lean = np.sqrt(1 + min(slope, 1.0) ** 2)  # an oblique cut is longer
        rows.append(
            (z, x, y, v.canal_width_mm / 2, v.canal_depth_mm / 2 * lean, np.arctan2(p.axes[1, 0], p.axes[0, 0]))
        )
    table = np.array(rows)
    canal = CubicSpline(table[:, 0], table[:, 1:])
    top = max(poses[first].to_scan(np.array((0, y, heights_mm(poses[first].spec)[2] / 2)))[2] for y in (-12.0, 12.0))
    low = min(poses[last].to_scan(np.array((0, y, -heights_mm(poses[last].spec)[2] / 2)))[2] for y in (-14.0, 14.0))
    return Spine(tuple(poses), canal, float(low - spec.margins_mm[1]), float(top + spec.margins_mm[0]))
