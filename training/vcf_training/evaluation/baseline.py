# SPDX-License-Identifier: Apache-2.0
"""A plain six-point height baseline: what a ruler finds where every vertebra is known.

A study's score is the largest share of height that any vertebra lacks, within itself (anterior or middle height against
the posterior one) or against the mean of its neighbours (each of the three heights against the same height above and
below). After Genant et al., J Bone Miner Res 1993;8:1137. This combination was the best of several on the tuning
phantoms.

A ruler needs to be told where the vertebrae are. Phantoms are measured on their true labels, so the baseline has a
perfect segmenter that no real system has; what it measures suffers from nothing but the resolution of the scan.
"""

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from vcf_training.phantom import Phantom
from vcf_training.phantom.anatomy import GRADED
from vcf_training.phantom.bone import BoneCanvas, paint_body
from vcf_training.phantom.grid import Grid
from vcf_training.phantom.spine import Pose, build_spine
from vcf_training.phantom.texture import Texture
from vcf_training.warp.heights import six_points

Heights = Mapping[str, tuple[float, float, float]]
"""Level → anterior, middle and posterior height in mm."""

LABELS, COVERAGE, EXACT = "labels", "coverage", "exact"
METHODS = {
    LABELS: "six points measured on vertebra labels of the scan's voxels, as any segmentation gives them",
    COVERAGE: "six points between voxels, from the share of each that is bone: finer than labels can be",
    EXACT: "the heights that the synthetic fractures were made with: no measurement, the ceiling of any ruler",
}
"""How the heights of a study were measured."""
FWHM_PER_SIGMA = 2.3548
REACH_MM = (42.0, 42.0, 26.0)
"""The reach of a vertebral body with its osteophytes from its centre, along x, y, z; however it is tilted."""


def height_loss(heights: Heights) -> float | None:
    """Largest share of height that a vertebra lacks, from 0 to 1; None where none was measured."""
    if not heights:
        return None
    levels = [level for level in GRADED if level in heights]
    values = np.array([heights[level] for level in levels])
    within = 1 - values[:, :2] / values[:, 2:]
    worst = float(within.max())
    index = [GRADED.index(level) for level in levels]
    for i, at in enumerate(index):
        beside = [j for j, other in enumerate(index) if abs(other - at) == 1]
        if beside:
            worst = max(worst, float((1 - values[i] / values[beside].mean(axis=0)).max()))
    return min(max(worst, 0.0), 1.0)


def exact_heights(vertebrae: Sequence[object]) -> Heights:
    """The heights of ``vcf_training.phantom.Vertebra`` as they are."""
    return {v.level: v.heights_mm for v in vertebrae}  # type: ignore[attr-defined]


def measured_heights(phantom: Phantom) -> dict[str, Heights]:
    """Heights of a phantom's whole vertebral bodies by `LABELS` and by `COVERAGE`."""
    spine = build_spine(phantom.spec)
    found: dict[str, dict[str, tuple[float, float, float]]] = {LABELS: {}, COVERAGE: {}}
    for pose in spine.poses:
        if pose.spec.level not in GRADED:
            continue
        seen = _coverage(phantom, pose)
        if seen is None:
            continue
        share, canal_mm = seen
        for method, mask in ((LABELS, share >= 0.5), (COVERAGE, share)):
            # `six_points` looks for the border at one half, so a mask of shares gives it between voxels.
            points = six_points(cast(NDArray[np.bool_], mask), phantom.volume.spacing_mm, canal_mm)
            if points is not None:
                found[method][pose.spec.level] = points.heights_mm
    return dict(found)


def _coverage(phantom: Phantom, pose: Pose) -> tuple[NDArray[np.float32], NDArray[np.float64]] | None:
    """Share of each voxel about a body that is bone, blurred as the scan is, and the canal (z, 2) on this grid.

    None where the body does not lie whole in the volume.
    """
    volume, acquisition = phantom.volume, phantom.spec.acquisition
    dz, dy, dx = volume.spacing_mm
    origin = volume.affine[:3, 3]
    axes, first = [], []
    for axis, pitch in enumerate((dx, dy, dz)):
        count = volume.hu.shape[2 - axis]
        low, high = (
            int(np.clip(round((pose.centre[axis] + side * REACH_MM[axis] - origin[axis]) / pitch), 0, count))
            for side in (-1, 1)
        )
        axes.append((np.arange(low, high) * pitch + origin[axis]).astype(np.float32))
        first.append(low)
    if min(map(len, axes)) < 2:
        return None
    x, y, z = axes
    canvas = BoneCanvas(Grid(z, y, x, dx, dz * acquisition.overlap), Texture.of(phantom.spec.body.seed), 0.0)
    paint_body(canvas, pose)
    share = canvas.outer
    if not share.any() or share[0].max() >= 0.5 or share[-1].max() >= 0.5:
        return None
    blur_px = acquisition.blur_fwhm_mm / FWHM_PER_SIGMA / dx
    for axis in (1, 2) if blur_px else ():
        share = gaussian_filter1d(share, blur_px, axis=axis)
    canal = phantom.centre_line_mm[first[2] : first[2] + len(z)] - (first[0] * dx, first[1] * dy)
    return share, canal
