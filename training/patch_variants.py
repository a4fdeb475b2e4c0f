# SPDX-License-Identifier: Apache-2.0
"""Stored patches as another patch size or HU window would have shown them (paper §3.3 varies both).

Drawing studies takes far longer than training on them, so patches of a smaller box, of fewer voxels and of a narrower
window are made from those at hand. Their height stays: it is the step of the tiling, to which labels belong.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from preprocess.spec import PATCH, PatchSpec
from training.studies import Studies

_TOLERANCE_MM = 1e-6


def resampled(studies: Studies, spec: PatchSpec, stored: PatchSpec = PATCH) -> Studies:
    """The same studies with the box, grid and window of ``spec``; voxels are means over the stored ones.

    Raises:
        ValueError: ``spec`` asks for what the stored patches do not show.
    """
    if spec == stored:
        return studies
    check(spec, stored)
    along_h = _mean_weights(stored.grid[0], spec.grid[0], 0.0, 1.0)
    depth_mm, width_mm = stored.box_mm[1:]
    front = (stored.anterior_mm - spec.anterior_mm) / depth_mm
    back = (stored.anterior_mm + spec.posterior_mm) / depth_mm
    side = (stored.half_width_mm - spec.half_width_mm) / width_mm
    along_w = _mean_weights(stored.grid[1], spec.grid[1], front, back)
    along_z = _mean_weights(stored.grid[2], spec.grid[2], side, 1 - side)
    low, high = stored.window_hu
    patches = np.empty((len(studies.patches), *spec.grid), np.uint8)
    for i, patch in enumerate(studies.patches):
        smaller = np.einsum("ah,bw,cz,hwz->abc", along_h, along_w, along_z, patch.astype(np.float32), optimize=True)
        hu = low + smaller / 255 * (high - low)
        share = (hu - spec.window_hu[0]) / spec.window_width_hu
        patches[i] = np.rint(255 * np.clip(share, 0, 1))
    # Each new row says what the stored row at its middle said.
    rows = ((np.arange(spec.grid[0]) + 0.5) * stored.grid[0] / spec.grid[0]).astype(int)
    return replace(studies, patches=patches, anatomy=studies.anatomy[:, rows])


def check(spec: PatchSpec, stored: PatchSpec = PATCH) -> None:
    """Whether patches of ``spec`` can be made of stored ones.

    Raises:
        ValueError: they cannot; the message names the first setting that is out of reach.
    """
    if spec.height_mm != stored.height_mm:
        raise ValueError(
            f"patch height {spec.height_mm} mm: the stored patches' {stored.height_mm} mm is their tiling's step"
        )
    for name in ("anterior_mm", "posterior_mm", "half_width_mm"):
        wanted, most = getattr(spec, name), getattr(stored, name)
        if wanted > most + _TOLERANCE_MM:
            raise ValueError(f"patch {name} {wanted}: at most the stored patches' {most} is possible")
    (low, high), (lowest, highest) = spec.window_hu, stored.window_hu
    if low < lowest or high > highest:
        raise ValueError(f"window {low:g} to {high:g} HU: it must lie within the stored {lowest:g} to {highest:g} HU")
    for axis, (new, old, box, stored_box) in enumerate(
        zip(spec.grid, stored.grid, spec.box_mm, stored.box_mm, strict=True)
    ):
        if box / new < stored_box / old - _TOLERANCE_MM:
            raise ValueError(
                f"grid {spec.grid}: voxels of {box / new:.2f} mm along axis {axis}, but the stored ones have"
                f" {stored_box / old:.2f} mm"
            )


def _mean_weights(old: int, new: int, first: float, last: float) -> NDArray[np.float32]:
    """(new, old): how much each old voxel adds to the mean over each new one, which share [first, last] of the side."""
    edges = (first + (last - first) * np.arange(new + 1) / new) * old
    cells = np.arange(old)
    shared = np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells)
    weights = np.clip(shared, 0, None)
    mean: NDArray[np.float32] = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    return mean
