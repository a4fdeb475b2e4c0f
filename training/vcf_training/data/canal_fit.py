# SPDX-License-Identifier: Apache-2.0
"""The bony spinal canal between keyframes: their centres are interpolated along z, the edges found on each slice."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d, map_coordinates, median_filter

from vcf_preprocess.geometry import Volume

BONE_HU = 130.0
"""Above canal contents (0–60 HU) and below the cortex, which a thick slice dims."""
REACH_MM = 17.0
"""Half of the widest lumbar canal with room for a seed that is off; an edge farther away is another structure."""
RAYS = 72
STEP_MM = 0.3
NOISE_BLUR_MM = 0.7
OUTLIER_MM = 3.0
SMOOTH_MM = 2.0
MAX_CORRECTION_MM = 3.0
"""A centre farther than this from the line between the keyframes calls for another keyframe, not for trust."""

Edges = NDArray[np.float64]
"""(n, 4): x0, y0, x1, y1 in mm from the centre of pixel (0, 0); NaN where no bone was met."""


def canal_edges(
    image_hu: NDArray[np.int16], spacing_mm: tuple[float, float], centre_mm: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Inner edges x0, y0, x1, y1 of the bone around ``centre_mm`` (x, y), in mm; NaN on a side without bone.

    Rays leave the centre in all directions and stop at the first bone. An edge is the farthest stop of
    the rays of its side, a small share of them apart, which leak between bones.
    """
    row_mm, column_mm = spacing_mm
    smooth = gaussian_filter(image_hu.astype(np.float32), (NOISE_BLUR_MM / row_mm, NOISE_BLUR_MM / column_mm))
    angle = np.arange(RAYS) * (2 * np.pi / RAYS)
    radius = np.arange(2.0, REACH_MM, STEP_MM)
    x = centre_mm[0] + np.cos(angle)[:, None] * radius
    y = centre_mm[1] + np.sin(angle)[:, None] * radius
    bone = map_coordinates(smooth, [y / row_mm, x / column_mm], order=1, mode="nearest") > BONE_HU
    stop = np.where(bone.any(axis=1), radius[bone.argmax(axis=1)], np.nan)
    stop_x, stop_y = np.cos(angle) * stop, np.sin(angle) * stop

    def farthest(offset: NDArray[np.float64], side: float) -> float:
        met = offset[(np.abs(np.angle(np.exp(1j * (angle - side)))) < np.radians(35)) & np.isfinite(offset)]
        if len(met) < RAYS / 12:  # fewer than half of the side's rays
            return np.nan
        return float(np.percentile(np.abs(met), 85))

    right, front = farthest(stop_x, np.pi), farthest(stop_y, -np.pi / 2)
    left, back = farthest(stop_x, 0.0), farthest(stop_y, np.pi / 2)
    return np.array([centre_mm[0] - right, centre_mm[1] - front, centre_mm[0] + left, centre_mm[1] + back])


def _along_z(edges: Edges, spacing_z_mm: float) -> Edges:
    """Drop edges that jump away from their neighbours, fill the gaps linearly, smooth."""
    filled = np.empty_like(edges)
    index = np.arange(len(edges))
    for side in range(4):
        values = edges[:, side].copy()
        for _ in range(2):
            known = np.isfinite(values)
            if not known.any():
                raise ValueError("no slice shows bone on one side of the canal: move the keyframes")
            full = np.interp(index, index[known], values[known])
            window = 2 * round(12.0 / spacing_z_mm / 2) + 3
            values[np.abs(full - median_filter(full, window, mode="nearest")) > OUTLIER_MM] = np.nan
        known = np.isfinite(values)
        full = np.interp(index, index[known], values[known])
        filled[:, side] = gaussian_filter1d(full, SMOOTH_MM / spacing_z_mm, mode="nearest")
    return filled


def fit_canal(
    volume: Volume,
    indices: NDArray[np.intp],
    centres_mm: NDArray[np.float64],
    trust: NDArray[np.bool_] | None = None,
    rounds: int = 3,
) -> Edges:
    """Boxes (n, 4) in mm of consecutive slices ``indices``, from their approximate centres (n, 2), x y in mm.

    ``trust`` (n,) is False on slices where bone does not show the canal's edge; they are filled from the others.

    Raises
    ------
    ValueError
        If a box ends up more than ``MAX_CORRECTION_MM`` from where it was expected.
    """
    expected = np.asarray(centres_mm, np.float64)
    centres = expected
    for _ in range(rounds):
        found = np.array(
            [canal_edges(volume.hu[z], volume.spacing_mm[1:], c) for z, c in zip(indices, centres, strict=True)]
        )
        if trust is not None:
            found[~trust] = np.nan
        edges = _along_z(found, volume.spacing_mm[0])
        centres = (edges[:, :2] + edges[:, 2:]) / 2
    correction = np.hypot(*(centres - expected).T)
    far = correction > MAX_CORRECTION_MM
    if trust is not None:
        far &= trust
    if far.any():
        raise ValueError(
            f"slices {indices[far].tolist()} were moved by up to {correction.max():.1f} mm, "
            f"at most {MAX_CORRECTION_MM:g} mm is allowed: set keyframes there"
        )
    return edges
