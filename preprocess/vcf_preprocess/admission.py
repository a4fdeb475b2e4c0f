# SPDX-License-Identifier: Apache-2.0
"""Tell which volumes the preparation takes: what it cannot analyse or could not bound is refused before any work."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcf_contract.contract import MAX_SLICE_IMAGES
from vcf_contract.errors import Code, StudyRefused
from vcf_contract.spec import DETECTOR, MIN_COVERAGE_MM

SPACING_LIMITS_MM = (0.1, 10.0)
"""The limits lie beyond any CT; a spacing outside them is a mistake, and would make the resampled column very long."""
MIN_IN_PLANE = 16
MAX_AXIS = 1 << 15
"""The most voxels along any axis: several times what CT has."""


def check(hu: NDArray[Any], spacing_mm: NDArray[np.floating[Any]]) -> tuple[float, float, float]:
    """Check a canonical volume (z, y, x) and its spacing; the spacing as plain numbers.

    Raises
    ------
    StudyRefused
        ``BAD_INPUT``, ``TOO_SHORT`` or ``TOO_LONG``.
    """
    return check_shape(hu.shape, spacing_mm)


def check_shape(shape: Sequence[int], spacing_mm: NDArray[np.floating[Any]]) -> tuple[float, float, float]:
    """The same by the shape alone, for callers that hold no more than a part of the volume."""
    if len(shape) != 3 or shape[0] < 2 or min(shape[1:]) < MIN_IN_PLANE or max(shape) > MAX_AXIS:
        raise StudyRefused(
            Code.BAD_INPUT,
            f"the volume has shape {list(shape)}, needed are 3 axes (z, y, x), at least 2 slices of "
            f"{MIN_IN_PLANE} × {MIN_IN_PLANE} and at most {MAX_AXIS} along any axis",
        )
    spacing = [float(value) for value in np.ravel(spacing_mm)]
    low, high = SPACING_LIMITS_MM
    if len(spacing) != 3 or not all(low <= value <= high for value in spacing):
        raise StudyRefused(
            Code.BAD_INPUT, f"spacing_mm is {spacing}, needed are 3 finite numbers (z, y, x) from {low} to {high} mm"
        )
    height_mm = shape[0] * spacing[0]
    if height_mm < MIN_COVERAGE_MM:
        raise StudyRefused(
            Code.TOO_SHORT,
            f"the scan covers {height_mm:.0f} mm of the body, at least {MIN_COVERAGE_MM:.0f} mm are needed",
        )
    longest_mm = (MAX_SLICE_IMAGES - 1) * DETECTOR.slice_every_mm
    if height_mm > longest_mm:
        raise StudyRefused(
            Code.TOO_LONG, f"the scan covers {height_mm:.0f} mm of the body, at most {longest_mm:.0f} mm are taken"
        )
    return spacing[0], spacing[1], spacing[2]


def location(slice_location_mm: NDArray[np.floating[Any]] | None) -> float | None:
    """Return where the first slice lies in the patient, as a plain number; None where a request does not say it."""
    return None if slice_location_mm is None else float(np.ravel(slice_location_mm)[0])
