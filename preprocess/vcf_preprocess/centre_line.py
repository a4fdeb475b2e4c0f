# SPDX-License-Identifier: Apache-2.0
"""One detection a slice becomes the centre line of the spinal canal (paper §2.1: linear interpolation between them)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcf_contract.errors import Code, StudyRefused
from vcf_contract.spec import CENTRE_LINE, DETECTOR, CentreLineSpec


@dataclass(frozen=True)
class CentreLine:
    """The canal on every slice of the covered spine.

    first_slice
        Index in the volume of row 0.
    points_mm
        (n, 3): x, y, z of consecutive slices, feet to head, in mm from the centre of voxel (0, 0, 0).
    flags
        What was mended on the way.
    """

    first_slice: int
    points_mm: NDArray[np.float64]
    flags: tuple[Code, ...]


def fit(
    z_mm: NDArray[np.floating[Any]],
    centres_mm: NDArray[np.floating[Any]],
    confidence: NDArray[np.floating[Any]],
    n_slices: int,
    spacing_z_mm: float,
    spec: CentreLineSpec = CENTRE_LINE,
    width_mm: NDArray[np.floating[Any]] | None = None,
) -> CentreLine:
    """Reject outliers, interpolate linearly, and end at the sacrum.

    Parameters
    ----------
    z_mm
        (n,) heights of the examined slices, ascending, from the first to the last slice that shows a body: the spine
        ends there.
    centres_mm
        (n, 2) x, y of the best box on each.
    confidence
        (n,) of those boxes.
    n_slices, spacing_z_mm
        Of the volume; its first slice is at height 0.
    width_mm
        (n,) left-right size of those boxes; without it no sacrum is looked for.

    Raises
    ------
    StudyRefused
        ``SPINE_NOT_FOUND`` if fewer than ``min_hits`` slices, or less than ``min_hit_share`` of them, agree.
    """
    z, centres = np.asarray(z_mm, np.float64), np.asarray(centres_mm, np.float64)
    sure = np.flatnonzero(np.asarray(confidence) >= DETECTOR.min_confidence)
    kept = sure[_most_plausible_chain(z[sure], centres[sure], np.asarray(confidence)[sure], spec)]
    kept = _without_kinked_ends(kept, z, centres, spec)
    wanted = max(spec.min_hits, int(np.ceil(spec.min_hit_share * len(z))))
    if len(kept) < wanted:
        raise StudyRefused(
            Code.SPINE_NOT_FOUND,
            f"the spinal canal was found on {len(kept)} of {len(z)} examined slices, at least {wanted} are needed",
        )
    low = max(z[0], z[kept[0]] - spec.hold_beyond_mm)
    high = min(z[-1], z[kept[-1]] + spec.hold_beyond_mm)
    if width_mm is not None:
        sacrum_mm = _sacrum_mm(z[kept], centres[kept, 1], np.asarray(width_mm, np.float64)[kept], spec)
        low = max(low, min(sacrum_mm, high - 2 * spacing_z_mm))
    first = int(np.ceil(low / spacing_z_mm - 1e-6))
    last = int(np.floor(high / spacing_z_mm + 1e-6))
    heights = np.arange(first, last + 1) * spacing_z_mm
    line = np.stack([np.interp(heights, z[kept], centres[kept, i]) for i in (0, 1)] + [heights], -1)
    body = round(z[0] / spacing_z_mm), round(z[-1] / spacing_z_mm)
    return CentreLine(first, line, _flags(kept, len(z), (first, last), body, n_slices))


def as_sent(points_mm: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Points (n, 3) with x and y rounded as they are when they cross between models, so that a line gives the same
    patches on both sides. Heights are multiples of the spacing and need no rounding."""
    points = np.array(points_mm, np.float64)
    points[:, :2] = points[:, :2].astype(np.float32)
    return points


def received(
    points_mm: NDArray[np.floating[Any]], shape: tuple[int, ...], spacing_mm: tuple[float, float, float]
) -> CentreLine:
    """A centre line from another model or a caller, checked against the volume that it is said to lie in.

    Raises
    ------
    StudyRefused
        ``BAD_INPUT`` unless it has one finite point on each of two or more consecutive slices, within the field of
        view of the detector.
    """
    points = np.array(points_mm, np.float64)
    dz = spacing_mm[0]
    usable = points.ndim == 2 and points.shape[1] == 3 and 1 < len(points) <= shape[0] and np.isfinite(points).all()
    usable = usable and -dz < points[0, 2] < shape[0] * dz
    first = round(float(points[0, 2]) / dz) if usable else 0
    heights = (first + np.arange(len(points))) * dz
    if not usable or first + len(points) > shape[0] or np.abs(points[:, 2] - heights).max() > 0.01 * dz:
        raise StudyRefused(
            Code.BAD_INPUT,
            f"centre_line_mm has shape {list(points.shape)}; needed is one finite point x, y, z on each of two or "
            f"more consecutive slices of the {shape[0]}, feet to head",
        )
    middle = np.array([(shape[2] - 1) * spacing_mm[2], (shape[1] - 1) * spacing_mm[1]]) / 2
    reach_mm = DETECTOR.image_px * DETECTOR.pixel_mm / 2
    off_mm = float(np.abs(points[:, :2] - middle).max())
    if off_mm > reach_mm + 1:
        raise StudyRefused(
            Code.BAD_INPUT,
            f"centre_line_mm lies up to {off_mm:.0f} mm off the middle of the slices, at most {reach_mm:.0f} mm are "
            "possible",
        )
    points[:, 2] = heights
    return CentreLine(first, points, ())


def _flags(
    kept: NDArray[np.intp], n_examined: int, line: tuple[int, int], body: tuple[int, int], n_slices: int
) -> tuple[Code, ...]:
    """``line`` and ``body``: first and last slice of the line, and of those that show a body."""
    flags = []
    if len(kept) < kept[-1] - kept[0] + 1:
        flags.append(Code.CANAL_INTERPOLATED)
    if kept[0] > 0 or kept[-1] < n_examined - 1:
        flags.append(Code.CANAL_EXTRAPOLATED)
    if line[0] > body[0] or line[1] < body[1]:
        flags.append(Code.SPINE_SHORTENED)
    if body != (0, n_slices - 1):
        flags.append(Code.BLANK_SLICES)
    return tuple(flags)


def _sacrum_mm(
    z: NDArray[np.float64], y: NDArray[np.float64], width: NDArray[np.float64], spec: CentreLineSpec
) -> float:
    """Height below which there is nothing but sacrum; −∞ where the scan does not reach it.

    Going down, the canal runs forward to the lordosis and then backward; from S1 on it does so steeply. A kyphosis is
    as steep going up from its apex, but narrow, and no lordosis lies above it. The slope between two examined slices
    counts in their middle, and between the middles it is interpolated.
    """
    if len(z) < 3:
        return -np.inf
    slope = np.diff(y) / np.diff(z)
    middles = (z[1:] + z[:-1]) / 2
    forward = np.flatnonzero(slope > 0)
    lowest = int(forward[0]) if len(forward) else 0  # segments below run backward, all of them
    steep = np.flatnonzero((slope[:lowest] < -spec.sacrum_slope) & (width[1 : lowest + 1] >= spec.sacrum_width_mm))
    if not len(steep):
        return -np.inf
    top = int(steep[-1])
    limit = float(np.interp(-spec.sacrum_slope, slope[top : top + 2], middles[top : top + 2]))
    return limit - spec.sacrum_margin_mm


def _without_kinked_ends(
    kept: NDArray[np.intp], z: NDArray[np.float64], centres: NDArray[np.float64], spec: CentreLineSpec
) -> NDArray[np.intp]:
    """The chain without an outermost slice to which the line would bend sharply, though it ran straight until there.

    Slices at the ends are seen in part where a tilt was taken out, and nothing beyond them corrects a step that is just
    short enough for the chain.
    """
    for ends in (slice(-4, None), slice(3, None, -1)):
        outer = kept[ends]
        if len(kept) < spec.min_hits + 2:
            break
        # Close slices differ by the detector's own error, as in the chain.
        rise = np.maximum(np.abs(np.diff(z[outer])), DETECTOR.slice_every_mm)
        slope = np.diff(centres[outer], axis=0) / rise[:, None]
        straight, kink = np.linalg.norm(np.diff(slope, axis=0), axis=1)
        if kink > spec.max_kink >= straight:
            kept = kept[kept != outer[-1]]
    return kept


def _most_plausible_chain(
    z: NDArray[np.float64], centres: NDArray[np.float64], confidence: NDArray[np.floating[Any]], spec: CentreLineSpec
) -> NDArray[np.intp]:
    """The subset of slices of greatest total confidence in which no step jumps and no gap is too wide.

    Dynamic programming over pairs. Comparing each slice with its neighbour alone would let one outlier
    reject the good slice after it.
    """
    n = len(z)
    total = np.array(confidence, np.float64)
    previous = np.full(n, -1)
    for i in range(n):
        rise = z[i] - z[:i]
        # Close slices may still differ by the detector's own error: allow them the step of one interval.
        intervals = np.maximum(rise / DETECTOR.slice_every_mm, 1.0)
        step = np.abs(centres[i] - centres[:i])
        fits = (
            (step[:, 0] <= spec.max_jump_lr_mm * intervals)
            & (step[:, 1] <= spec.max_jump_ap_mm * intervals)
            & (rise <= spec.max_gap_mm)
        )
        if fits.any():
            candidates = np.where(fits, total[:i], -np.inf)
            previous[i] = int(candidates.argmax())
            total[i] += candidates.max()
    chain: list[int] = []
    at = int(total.argmax()) if n else -1
    while at >= 0:
        chain.append(at)
        at = int(previous[at])
    return np.array(chain[::-1], np.intp)
