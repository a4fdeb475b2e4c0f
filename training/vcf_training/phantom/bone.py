# SPDX-License-Identifier: Apache-2.0
"""Bone as shapes with a thin cortical shell.

All bones share one canvas of two coverages, that of the whole bone and that of its marrow; what lies between is
cortex. A union of shapes is then a maximum, and no cortex is left where a pedicle runs into its body. The cortex is
thinner than a voxel: it shows as the partial volume it is, exact along z for the endplates, so no supersampling.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vcf_training.phantom.grid import Floats, Grid, Window, clip01, coverage, over
from vcf_training.phantom.spine import Pose
from vcf_training.phantom.texture import Texture
from vcf_training.phantom.vertebra import BACK_HOLLOW, endplates

CORTEX_HU = 1150.0
_CORNER_MM = np.float32(5.0)
Point = tuple[float, float, float]
Array = NDArray[np.float64]


@dataclass
class BoneCanvas:
    """Coverage of bone and of marrow on a grid, and the marrow's density."""

    grid: Grid
    texture: Texture
    marrow_hu: float
    outer: Floats = field(init=False)
    inner: Floats = field(init=False)
    marrow: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.outer = np.zeros(self.grid.shape, np.float32)
        self.inner = np.zeros(self.grid.shape, np.float32)
        self.marrow = np.full(self.grid.shape, self.marrow_hu, np.float32)

    def add(self, window: Window, outer: Floats, inner: Floats) -> None:
        """Unite a shape with what is there."""
        np.maximum(self.outer[window], outer, out=self.outer[window])
        np.maximum(self.inner[window], inner, out=self.inner[window])

    def flatten(self, hu: Floats) -> None:
        """Paint the bones over a picture in HU."""
        np.minimum(self.inner, self.outer, out=self.inner)
        over(hu, self.outer, CORTEX_HU)
        hu += self.inner * (self.marrow - CORTEX_HU)


@dataclass(frozen=True)
class Capsule:
    """A thick line; ``radii`` along the axes of its frame, ``cortex_mm`` its shell."""

    start: Point
    end: Point
    radii: Point
    cortex_mm: float
    centre: Array = field(default_factory=lambda: np.zeros(3))
    """Origin of the frame in scan axes."""
    axes: Array = field(default_factory=lambda: np.eye(3))
    """Its axes as columns."""

    def bounds(self) -> tuple[Array, Array]:
        """Lowest and highest x, y, z in scan axes."""
        ends = np.array((self.start, self.end)) @ self.axes.T + self.centre
        reach = np.abs(self.axes) @ np.array(self.radii)
        return ends.min(0) - reach, ends.max(0) + reach


def paint_capsule(canvas: BoneCanvas, capsule: Capsule) -> None:
    """Add a capsule."""
    start, end, radii = (np.asarray(p, np.float64) for p in (capsule.start, capsule.end, capsule.radii))
    axes = capsule.axes
    window = canvas.grid.window(*capsule.bounds())
    if window is None:
        return
    x, y, z = canvas.grid.axes(window)
    # Work where the capsule is round: local axes divided by the radii, origin at its start.
    frame = (axes / radii).astype(np.float32)
    at = (axes @ start + capsule.centre).astype(np.float32)
    local = [frame[0, k] * (x - at[0]) + frame[1, k] * (y - at[1]) + frame[2, k] * (z - at[2]) for k in range(3)]
    along = ((end - start) / radii).astype(np.float32)
    length2 = float(along @ along)
    if length2 > 1e-6:
        t = local[0] * along[0] + local[1] * along[1] + local[2] * along[2]
        t = clip01(np.multiply(t, np.float32(1 / length2), out=t))
        for k in range(3):
            local[k] -= along[k] * t
    square = [q * q for q in local]
    k0 = np.sqrt(square[0] + square[1] + square[2])
    inverse2 = (1 / radii**2).astype(np.float32)
    bent = [s * i for s, i in zip(square, inverse2, strict=True)]
    k1_squared = bent[0] + bent[1] + bent[2] + np.float32(1e-9)
    # Voxel extent along the surface normal (q / r²) / k1, the frame taken as upright.
    extent2 = np.array((canvas.grid.pixel_mm, canvas.grid.pixel_mm, canvas.grid.slice_mm), np.float32) ** 2
    width = bent[0] * extent2[0] + bent[1] * extent2[1] + bent[2] * extent2[2]
    # sdf = k0 (k0 − 1) / k1 and width = sqrt(width) / k1: k1 cancels in their ratio.
    width += np.float32(1e-9)
    np.sqrt(width, out=width)
    ratio = k0 * (k0 - 1) / width
    shell = np.float32(capsule.cortex_mm) * np.sqrt(k1_squared) / width
    inner = clip01(np.float32(0.5) - ratio - shell)
    canvas.add(window, clip01(np.subtract(np.float32(0.5), ratio, out=ratio)), inner)


def _window(canvas: BoneCanvas, pose: Pose, half: Point) -> Window | None:
    reach = np.abs(pose.axes) @ np.asarray(half)
    return canvas.grid.window(pose.centre - reach, pose.centre + reach)


def _local(canvas: BoneCanvas, pose: Pose, window: Window) -> list[Floats]:
    x, y, z = canvas.grid.axes(window)
    a, c = pose.axes.astype(np.float32), pose.centre.astype(np.float32)
    return [a[0, k] * (x - c[0]) + a[1, k] * (y - c[1]) + a[2, k] * (z - c[2]) for k in range(3)]


def _lips(pose: Pose, u: Floats, v: Floats, w: Floats, middle: float) -> Floats | None:
    """Extra radius of the osteophytes in mm."""
    total: Floats | None = None
    for lip in pose.spec.osteophytes:
        angle = np.radians(lip.angle_deg)
        toward = (u * np.float32(np.sin(angle)) - v * np.float32(np.cos(angle))) / np.sqrt(u * u + v * v + 1)
        facing = np.clip(2.2 * toward - 1.2, 0, 1)
        rim = np.exp(-(((w - np.float32(lip.side * middle)) / np.float32(2.6 + 0.25 * lip.size_mm)) ** 2))
        part = np.float32(lip.size_mm) * facing * rim
        total = part if total is None else total + part
    return total


def paint_body(canvas: BoneCanvas, pose: Pose) -> None:
    """Add a vertebral body: a waisted, rounded cross-section, flat at the back, between its endplates."""
    spec, grid = pose.spec, canvas.grid
    tallest = max(spec.anterior_mm, spec.posterior_mm) / 2
    longest_lip = max((lip.size_mm for lip in spec.osteophytes), default=0.0)
    bulge = spec.fracture.bulge_mm if spec.fracture else 0.0
    side = 0.5 * spec.width_mm + longest_lip + 1
    window = _window(canvas, pose, (side, 0.5 * spec.depth_mm + longest_lip + bulge + 1, tallest + 1))
    if window is None:
        return
    u, v, w = _local(canvas, pose, window)
    upper, lower = endplates(spec, u, v)
    if spec.level.startswith("T"):  # thoracic bodies are heart-shaped
        u = u * (1 + np.float32(0.16) * np.clip(v * np.float32(-2 / spec.depth_mm), 0, 1))

    # An ellipse longer than the body is cut straight at the back, so it is widest behind the middle.
    b = np.float32(0.60 * spec.depth_mm)
    front = v - (b - np.float32(0.5 * spec.depth_mm))
    a = np.float32(0.5 * spec.width_mm)
    radius = np.sqrt(u * u + front * front + np.float32(1e-3))
    q = np.sqrt((u / a) ** 2 + (front / b) ** 2 + np.float32(1e-3) / (a * a))
    middle = (upper + lower) / 2
    thickness = np.maximum(upper - lower, np.float32(2.0))
    level = np.clip(2 * (w - middle) / thickness, -1, 1)  # −1 lower endplate, 1 upper
    waist = np.float32(0.075) * (1 - level * level)
    reach = radius / q  # distance from the axis to the wall in this direction
    grown = reach * (1 - waist)
    lips = _lips(pose, u, v, w, tallest)
    if lips is not None:
        grown += lips
    if bulge:
        grown += np.float32(bulge) * np.clip(-v / np.float32(0.4 * spec.depth_mm), 0, 1) * (1 - level * level)
    wall = radius - grown
    hollow = np.maximum(1 - (u / np.float32(0.34 * spec.width_mm)) ** 2, 0)
    hollow *= np.float32(BACK_HOLLOW * spec.depth_mm)
    back = v - np.float32(0.5 * spec.depth_mm) + hollow * (np.float32(1) - np.float32(0.6) * level * level)
    # Rounded corners where the back meets the sides.
    blend = np.maximum(_CORNER_MM - np.abs(wall - back), 0)
    wall = np.maximum(wall, back) + blend * blend / (4 * _CORNER_MM)

    lean = float(np.hypot(pose.axes[0, 2], pose.axes[1, 2]))
    across = grid.pixel_mm + grid.slice_mm * lean * 0.7
    along = np.float32(grid.slice_mm * pose.axes[2, 2] + grid.pixel_mm * lean)
    # The rim is rounded: near the wall the endplates fall off.
    rounding = np.float32(1.3) * np.clip(1 + wall / np.float32(1.6), 0, 1) ** 2
    to_upper, to_lower = upper - rounding - w, w - lower - rounding
    end, shell = np.float32(spec.endplate_mm), np.float32(0.8 * spec.endplate_mm)

    def between(inset: np.float32) -> Floats:
        return np.maximum(clip01((to_upper - inset) / along + 0.5) + clip01((to_lower - inset) / along + 0.5) - 1, 0)

    outer = coverage(wall, across) * between(np.float32(0))
    inner = coverage(wall + shell, across) * between(end)
    canvas.add(window, outer, inner)

    marrow = _marrow(pose, u, v, w, to_upper, to_lower)
    marrow *= 1 + canvas.texture.fine(canvas.grid, window) * np.float32(0.2)
    np.copyto(canvas.marrow[window], marrow, where=inner > 0.02)


def _marrow(pose: Pose, u: Floats, v: Floats, w: Floats, to_upper: Floats, to_lower: Floats) -> Floats:
    """Density inside the body: denser under the endplates, sclerotic or impacted where broken, veins at the back."""
    spec = pose.spec
    hu = np.full(u.shape, spec.trabecular_hu, np.float32)
    near_upper = np.exp(-np.maximum(to_upper, 0) / np.float32(2.2))
    near_lower = np.exp(-np.maximum(to_lower, 0) / np.float32(2.2))
    hu += np.float32(35) * (near_upper + near_lower)
    fracture = spec.fracture
    broken = fracture.sclerosis_hu if fracture else 0.0
    share = fracture.upper_share if fracture else 0.5
    for near, of_disc, of_fracture in (
        (near_upper, spec.sclerosis_hu[0], share * broken),
        (near_lower, spec.sclerosis_hu[1], (1 - share) * broken),
    ):
        if of_disc or of_fracture:
            hu += near * np.float32(of_disc + 1.3 * of_fracture)
    if fracture:
        hu += np.float32(0.25 * broken)  # impacted trabeculae
    for node in spec.schmorl:
        edge = near_upper if node.side > 0 else near_lower
        close = np.exp(-((u - node.left_mm) ** 2 + (v - node.back_mm) ** 2) / np.float32((1.6 * node.radius_mm) ** 2))
        hu += edge * close * np.float32(130)
    vein = (v - np.float32(0.42 * spec.depth_mm)) / np.float32(0.22 * spec.depth_mm)
    hu -= np.float32(70) * np.exp(-vein * vein - (u / np.float32(4)) ** 2 - (w / np.float32(2.2)) ** 2)
    return hu
