# SPDX-License-Identifier: Apache-2.0
"""Tell where vertebrae and canal lie, from what an annotation gives: masks, or points alone."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects

from vcf_training.data.annotated import GRADABLE, LEVELS, AnnotatedVertebra, DataCode, DataError, Grade
from vcf_training.data.canal import mask_centres_mm
from vcf_training.phantom.anatomy import LEVELS as SIZED
from vcf_training.phantom.anatomy import level_size
from vcf_training.warp.heights import measure
from vcf_training.warp.midline import canal_from_labels
from vcf_training.warp.patients import complete_canal

Spacing = tuple[float, float, float]
Array = NDArray[np.float64]
LIVING_SCALE = 1.1
"""Vertebrae of living people on CT against the cadaver tables."""
NEAR_MM = 12.0
"""A point this far outside its vertebra's label belongs to other axes or to another vertebra."""
UNGRADED = Grade(None)


def vertebrae_at(
    points_mm: Mapping[str, Array],
    grades: Mapping[str, Grade],
    *,
    labels: NDArray[np.uint8] | None,
    spacing_mm: Spacing,
    canal_mm: Array | None,
) -> tuple[AnnotatedVertebra, ...]:
    """Gradable vertebrae from head to feet; measured where the mask shows the body, else of the usual height.

    ``points_mm`` are x, y, z by level.
    """
    measured = {}
    if labels is not None and canal_mm is not None:
        names = {value: level for value, level in LEVELS.items() if level in points_mm and level in GRADABLE}
        measured = measure(labels, names, spacing_mm, complete_canal(canal_mm)[0])
    found = []
    for level, point in points_mm.items():
        if level not in GRADABLE:
            continue
        verdict = grades.get(level, UNGRADED)
        if level in measured:
            six = measured[level]
            y, z = six.centre_mm
            heights = np.concatenate([six.upper_mm[:, 1], six.lower_mm[:, 1]])
            extent = float(heights.min()), float(heights.max())
            found.append(AnnotatedVertebra(level, verdict, (float(point[0]), y, z), extent, six.heights_mm))
        else:
            half = usual_height_mm(level) / 2
            x, y, z = point.tolist()
            found.append(AnnotatedVertebra(level, verdict, (x, y, z), (z - half, z + half)))
    return tuple(sorted(found, key=lambda v: -v.centre_mm[2]))


def usual_height_mm(level: str) -> float:
    """Height of a sound body; T13 and L6 take that of their neighbour."""
    known = level if level in SIZED else {"T13": "T12", "L6": "L5"}[level]
    return LIVING_SCALE * level_size(known).height_mm


def canal_of_labels(labels: NDArray[np.uint8], spacing_mm: Spacing) -> Array | None:
    """Canal centre x, y (z, 2) between the labelled vertebrae, NaN above and below; None where no arch shows it."""
    try:
        centres = canal_from_labels(labels, spacing_mm)
    except ValueError:
        return None
    seen = np.flatnonzero(labels.any(axis=(1, 2)))
    centres[: seen[0]] = centres[seen[-1] + 1 :] = np.nan
    return centres


def canal_of_mask(mask: NDArray[np.bool_], spacing_mm: Spacing) -> tuple[Array, Array]:
    """Centre x, y and width, height (z, 2) of a mask of the spinal canal on each slice; NaN where it is not."""
    sizes = np.full((len(mask), 2), np.nan)
    for z in np.flatnonzero(mask.any(axis=(1, 2))):
        rows, columns = (np.flatnonzero(mask[z].any(axis=axis)) for axis in (1, 0))
        sizes[z] = (np.ptp(columns) + 1) * spacing_mm[2], (np.ptp(rows) + 1) * spacing_mm[1]
    return mask_centres_mm(mask, spacing_mm), sizes


def check_points(points_mm: Mapping[str, Array], labels: NDArray[np.uint8], spacing_mm: Spacing, where: str) -> None:
    """Each point must lie by its own label.

    Raises
    ------
    DataError
        ``POSITION_MISMATCH``, with the distance; or ``BAD_MASK`` where the mask lacks a vertebra.
    """
    numbers = {level: value for value, level in LEVELS.items()}
    boxes: list[Any] = find_objects(labels)
    for level, point in points_mm.items():
        value = numbers[level]
        box = boxes[value - 1] if value <= len(boxes) else None
        if box is None:
            raise DataError(DataCode.BAD_MASK, f"{where}: {level} has a centroid, and the mask does not show it")
        low = np.array([s.start for s in box][::-1]) * spacing_mm[::-1]
        high = np.array([s.stop - 1 for s in box][::-1]) * spacing_mm[::-1]
        away = float(np.linalg.norm(np.maximum(np.maximum(low - point, point - high), 0)))
        if away > NEAR_MM:
            raise DataError(
                DataCode.POSITION_MISMATCH,
                f"{where}: the position of {level} lies {away:.0f} mm outside its label, up to {NEAR_MM:.0f} mm are "
                "accepted; the axes of positions and mask differ, or the levels are shifted",
            )


def check_inside(points_mm: Mapping[str, Array], shape: tuple[int, int, int], spacing_mm: Spacing, where: str) -> None:
    """Each point must lie in the volume.

    Raises
    ------
    DataError
        ``POSITION_MISMATCH``.
    """
    high = (np.array(shape[::-1]) - 1) * spacing_mm[::-1]
    for level, point in points_mm.items():
        away = float(np.linalg.norm(np.maximum(np.maximum(-point, point - high), 0)))
        if not away <= NEAR_MM:
            raise DataError(
                DataCode.POSITION_MISMATCH,
                f"{where}: the position of {level} lies {away:.0f} mm outside the volume; patient coordinates in mm "
                "are accepted, with x to the left, y to the back and z to the head",
            )
