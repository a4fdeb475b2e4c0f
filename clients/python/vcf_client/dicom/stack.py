# SPDX-License-Identifier: Apache-2.0
"""Slices of one series to a regular stack, by their place in the patient alone (DICOM PS3.3 section C.7.6.2)."""

from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vcf_client.acceptance import MIN_AXIS_COSINE
from vcf_client.dicom.slices import Slice
from vcf_client.gaps import MAX_FILLED
from vcf_contract.errors import Code, StudyRefused

TILT_FROM_DEG = 1.0
MAX_TILT_DEG = 30.0
MAX_SHARED = 2
"""Positions that acquisitions of one scan may have in common."""

_SAME_PLACE_MM = 0.02
_ROUNDED_MM = 0.06
"""How far off its place a slice can be whose position is rounded to a tenth; the others need not follow it further."""
_MAX_DRIFT_MM = 1.0
"""Sideways from the straight line through the stack: positions are written with a few digits."""


@dataclass(frozen=True)
class Stack:
    """A regular stack from feet to head.

    slices
        One for each position; None where a slice is missing and must be filled.
    affine
        4 × 4, homogeneous indices (slice, row, column) to patient LPS mm. Sheared where the gantry was tilted.
    split
        It was one of several acquisitions at the same place.
    """

    slices: tuple[Slice | None, ...]
    affine: NDArray[np.float64]
    tilt_deg: float = 0.0
    split: bool = False

    @property
    def spacing_mm(self) -> float:
        """The distance from slice to slice."""
        return float(np.linalg.norm(self.affine[:3, 0]))

    @property
    def coverage_mm(self) -> float:
        """Height of all slices together."""
        return self.spacing_mm * len(self.slices)

    @property
    def some(self) -> Slice:
        """Any slice that is there."""
        return next(s for s in self.slices if s is not None)


def build_stacks(slices: Sequence[Slice]) -> list[Stack]:
    """The regular stacks that the slices make: one, or one for each acquisition where they share positions.

    All slices must have geometry and equal rows, columns, orientation and pixel spacing. Raises StudyRefused with
    NO_GEOMETRY, OBLIQUE, TILT, MISSING_SLICES, IRREGULAR_SPACING or AMBIGUOUS_SERIES.
    """
    row, column = _axes(slices)
    heights = np.array([s.position_mm for s in slices], np.float64) @ np.cross(row, column)
    refusal = StudyRefused(
        Code.AMBIGUOUS_SERIES,
        "several slices lie at one position, and no acquisition or temporal number tells them apart; one slice a "
        "position is accepted",
    )
    parts, split = _scans_within_each_other(slices, heights), False
    if parts is None and np.all(np.diff(np.sort(heights)) > _SAME_PLACE_MM):
        try:
            return [_regular(slices, heights)]
        except StudyRefused as irregular:
            refusal = irregular
        if refusal.code in (Code.IRREGULAR_SPACING, Code.MISSING_SLICES):
            parts = _split(slices, heights, _frame_of_reference)
        if parts is None and refusal.code == Code.IRREGULAR_SPACING:
            parts, split = _split(slices, heights, *_NUMBERS), True
    elif parts is None:
        if seamless := _without_seams(slices, heights):
            with suppress(StudyRefused):
                return [_regular([slices[i] for i in seamless], heights[seamless], split=True)]
        parts, split = _split(slices, heights, *_NUMBERS, _frame_of_reference), True
    if parts is None:
        raise refusal
    stacks = []
    for part in parts:
        try:
            stacks.append(_regular([slices[i] for i in part], heights[part], split))
        except StudyRefused as irregular:
            refusal = irregular
    if not stacks:
        raise refusal
    return stacks


def _axes(slices: Sequence[Slice]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Unit vectors along a row and along a column, as most slices have them: a single odd one does not turn them."""
    axes = np.median(np.array([s.orientation for s in slices], np.float64), axis=0).reshape(2, 3)
    lengths = np.linalg.norm(axes, axis=1)
    if np.any(np.abs(lengths - 1) > 0.01) or abs(float(axes[0] @ axes[1])) > 0.01:
        raise StudyRefused(
            Code.NO_GEOMETRY, "the image orientation is no pair of perpendicular unit vectors; such a pair is accepted"
        )
    return axes[0] / lengths[0], axes[1] / lengths[1]


_Key = Callable[[Slice], Hashable]
_NUMBERS: tuple[_Key, ...] = (lambda s: s.acquisition, lambda s: s.temporal)


def _frame_of_reference(s: Slice) -> Hashable:
    return s.facts.frame_of_reference


def _groups(slices: Sequence[Slice], key: _Key) -> dict[Hashable, list[int]]:
    groups: dict[Hashable, list[int]] = {}
    for i, s in enumerate(slices):
        groups.setdefault(key(s), []).append(i)
    return groups


def _split(slices: Sequence[Slice], heights: NDArray[np.float64], *keys: _Key) -> list[list[int]] | None:
    """Indices of the slices of each scan by the first key that leaves one slice a position.

    None where none does, or where it would scatter a single scan (step and shoot numbers every slice).
    """
    places = 1 + int(np.count_nonzero(np.diff(np.sort(heights)) > _SAME_PLACE_MM))
    for key in keys:
        parts = _groups(slices, key)
        alone = all(np.all(np.diff(np.sort(heights[p])) > _SAME_PLACE_MM) for p in parts.values())
        if len(parts) > 1 and None not in parts and alone and 2 * max(map(len, parts.values())) >= places:
            return list(parts.values())
    return None


def _scans_within_each_other(slices: Sequence[Slice], heights: NDArray[np.float64]) -> list[list[int]] | None:
    """Indices of the slices of each frame of reference where several that hold more than one slice reach into each
    other: two scans, even if their positions together happen to be regular. None for one scan.
    """
    parts = [part for part in _groups(slices, _frame_of_reference).values() if len(part) > 1]
    if len(parts) < 2:
        return None
    ranges = sorted((heights[part].min(), heights[part].max()) for part in parts)
    apart = all(low > high + _SAME_PLACE_MM for (_, high), (low, _) in pairwise(ranges))
    return None if apart else parts


def _without_seams(slices: Sequence[Slice], heights: NDArray[np.float64]) -> list[int] | None:
    """Indices of one slice a position where acquisitions follow one another and share a position or two.

    None where one lies within another or they share more: then they are scans of the same place. Nor is it a seam
    where an acquisition is a single slice.
    """
    parts = _groups(slices, lambda s: s.acquisition)
    ranges = sorted((heights[part].min(), heights[part].max()) for part in parts.values())
    ascending = all(lower < low and high < higher for (lower, high), (low, higher) in pairwise(ranges))
    if None in parts or not ascending or min(map(len, parts.values())) < 2:
        return None
    order = np.argsort(heights, kind="stable")
    kept = [int(order[0])]
    for i in map(int, order[1:]):
        if heights[i] - heights[kept[-1]] > _SAME_PLACE_MM:
            kept.append(i)
        elif slices[i].acquisition == slices[kept[-1]].acquisition:
            return None
    return kept if len(slices) - len(kept) <= MAX_SHARED else None


def _regular(slices: Sequence[Slice], heights: NDArray[np.float64], split: bool = False) -> Stack:
    order = np.argsort(heights, kind="stable")
    positions = np.array([slices[i].position_mm for i in order], np.float64)
    row, column = _axes(slices)
    pixel_mm = np.median(np.array([s.pixel_spacing_mm for s in slices], np.float64), axis=0)
    origin = positions[0]
    if len(slices) == 1:
        step = np.cross(row, column) * (slices[0].thickness_mm or 0.0)
        way = np.cross(row, column)
        if way[2] < 0:
            step, way = -step, -way
        tilt = 0.0
        slots = np.zeros(1, int)
    else:
        way = positions[-1] - positions[0]
        way /= np.linalg.norm(way)
        if way[2] < 0:
            order, positions, way = order[::-1], positions[::-1], -way
        _tilt_deg(row, column, way)
        slots, step = _slots(positions, way)
        origin, step = _line(positions, slots, step)
        way = step / np.linalg.norm(step)
        tilt = _tilt_deg(row, column, way)
    _refuse_oblique(row, column, way)
    filled: list[Slice | None] = [None] * (int(slots[-1]) + 1)
    for slot, i in zip(slots, order, strict=True):
        filled[slot] = slices[i]
    affine = np.eye(4)
    affine[:3, 0] = step
    affine[:3, 1] = column * pixel_mm[0]
    affine[:3, 2] = row * pixel_mm[1]
    affine[:3, 3] = origin
    return Stack(tuple(filled), affine, tilt, split)


def _tilt_deg(row: NDArray[np.float64], column: NDArray[np.float64], way: NDArray[np.float64]) -> float:
    """Angle between the slices' normal and the way from slice to slice, which only a tilted gantry makes differ."""
    tilt = float(np.degrees(np.arccos(min(1.0, abs(float(np.cross(row, column) @ way))))))
    if tilt > MAX_TILT_DEG:
        raise StudyRefused(
            Code.TILT, f"the gantry was tilted by {tilt:.0f} degrees; up to {MAX_TILT_DEG:.0f} are accepted"
        )
    skew = sorted(abs(np.degrees(np.arcsin(float(axis @ way)))) for axis in (row, column))
    if skew[0] > TILT_FROM_DEG:
        raise StudyRefused(
            Code.TILT,
            f"slices are shifted along rows and columns at once (by {skew[0]:.1f} and {skew[1]:.1f} degrees); a tilt "
            "about one axis is accepted",
        )
    return tilt


def _refuse_oblique(row: NDArray[np.float64], column: NDArray[np.float64], way: NDArray[np.float64]) -> None:
    """Every axis, with the tilt taken out, must lie near an axis of the patient, and the slices be axial."""
    axes = [axis - (axis @ way) * way for axis in (row, column)]
    cosines = [abs(float(way[2])), *(float(np.abs(a).max() / np.linalg.norm(a)) for a in axes)]
    if (nearest := int(np.abs(way).argmax())) != 2:
        raise StudyRefused(
            Code.OBLIQUE,
            f"the slices are {('sagittal', 'coronal')[nearest]}; axial slices are accepted, or the volume as NIfTI",
        )
    if min(cosines) < MIN_AXIS_COSINE:
        off = np.degrees(np.arccos(cosines[0] if cosines[0] < MIN_AXIS_COSINE else min(cosines)))
        limit = np.degrees(np.arccos(MIN_AXIS_COSINE))
        raise StudyRefused(
            Code.OBLIQUE,
            f"the slices lie {off:.0f} degrees off the patient's axes; axial slices within {limit:.0f} are accepted",
        )


def _slots(positions: NDArray[np.float64], way: NDArray[np.float64]) -> tuple[NDArray[np.int_], NDArray[np.float64]]:
    """The place of each slice on a regular grid, and the grid's step in mm."""
    along = (positions - positions[0]) @ way
    gaps = np.diff(along)
    median = max(float(np.median(gaps)), _SAME_PLACE_MM)
    steps = np.rint(gaps / median).astype(int)
    tolerance = max(0.1 * median, 0.15)  # positions rounded to a tenth are common
    slots = np.concatenate([[0], np.cumsum(steps)])
    distance = along[-1] / slots[-1] if slots[-1] else median
    off_grid = float(np.abs(along - slots * distance).max())
    if steps.min() < 1 or np.any(np.abs(gaps - steps * median) > tolerance) or off_grid > 0.25 * distance + 0.05:
        raise StudyRefused(
            Code.IRREGULAR_SPACING,
            f"slices lie {gaps.min():.2f} to {gaps.max():.2f} mm apart; one distance throughout is accepted",
        )
    drift = np.linalg.norm(positions - positions[0] - np.outer(along, way), axis=1).max()
    if drift > _MAX_DRIFT_MM:
        raise StudyRefused(
            Code.IRREGULAR_SPACING,
            f"slices lie up to {drift:.1f} mm beside one straight line; up to {_MAX_DRIFT_MM:.0f} mm is accepted",
        )
    missing = int((steps - 1).sum())
    if missing > MAX_FILLED:
        raise StudyRefused(
            Code.MISSING_SLICES, f"{missing} slices are missing inside the scan; up to {MAX_FILLED} are accepted"
        )
    return slots, way * distance


def _line(
    positions: NDArray[np.float64], slots: NDArray[np.int_], step: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Place of the first slice and step to the next: from end to end, or by medians where a slice lies beside that.

    So one slice with a wrong position moves no other.
    """
    if np.abs(positions[0] + np.outer(slots, step) - positions).max() <= _ROUNDED_MM:
        return positions[0], step
    half = max(1, len(positions) // 2)
    rises = (positions[half:] - positions[:-half]) / (slots[half:] - slots[:-half])[:, None]
    step = np.median(rises, axis=0)
    return np.median(positions - np.outer(slots, step), axis=0), step
