# SPDX-License-Identifier: Apache-2.0
"""Stored patches as another patch size or HU window would have shown them (paper §3.3 varies both).

Drawing studies takes far longer than training on them, so patches of a smaller box, of fewer voxels and of a narrower
window are made from those at hand. Their height stays: it is the step of the tiling, to which labels belong.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vcf_contract.spec import PATCH, PatchSpec
from vcf_training.studies import Studies

_TOLERANCE_MM = 1e-6


def resampled(studies: Studies, spec: PatchSpec, stored: PatchSpec = PATCH) -> Studies:
    """The same studies with the box, grid and window of ``spec``; voxels are means over the stored ones.

    Raises
    ------
    ValueError
        ``spec`` asks for what the stored patches do not show.
    """
    if spec == stored:
        return studies
    along_h, along_w, along_z = axis_weights(spec, stored)
    gain, offset = window_change(spec, stored)
    patches = np.empty((len(studies.patches), *spec.grid), np.uint8)
    for i, patch in enumerate(studies.patches):
        smaller = np.einsum("ah,bw,cz,hwz->abc", along_h, along_w, along_z, patch.astype(np.float32), optimize=True)
        patches[i] = np.rint(255 * np.clip(gain * smaller / 255 + offset, 0, 1))
    # Each new row says what the stored row at its middle said.
    rows = ((np.arange(spec.grid[0]) + 0.5) * stored.grid[0] / spec.grid[0]).astype(int)
    return replace(studies, patches=patches, anatomy=studies.anatomy[:, rows])


def axis_weights(spec: PatchSpec, stored: PatchSpec = PATCH) -> tuple[NDArray[np.float32], ...]:
    """Tell how much each stored voxel adds to each voxel of ``spec``, along H, W and Z: (new, stored) each.

    Raises
    ------
    ValueError
        As `check` does.
    """
    check(spec, stored)
    depth_mm, width_mm = stored.box_mm[1:]
    front = (stored.anterior_mm - spec.anterior_mm) / depth_mm
    back = (stored.anterior_mm + spec.posterior_mm) / depth_mm
    side = (stored.half_width_mm - spec.half_width_mm) / width_mm
    ends = ((0.0, 1.0), (front, back), (side, 1 - side))
    return tuple(_mean_weights(old, new, *end) for old, new, end in zip(stored.grid, spec.grid, ends, strict=True))


def window_change(spec: PatchSpec, stored: PatchSpec = PATCH) -> tuple[float, float]:
    """Gain and offset that turn a share of the stored HU window into one of ``spec``'s, before it is clipped."""
    low = stored.window_hu[0]
    return stored.window_width_hu / spec.window_width_hu, (low - spec.window_hu[0]) / spec.window_width_hu


def check(spec: PatchSpec, stored: PatchSpec = PATCH) -> None:
    """Tell whether patches of ``spec`` can be made of stored ones.

    Raises
    ------
    ValueError
        They cannot; the message names the first setting that is out of reach.
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
