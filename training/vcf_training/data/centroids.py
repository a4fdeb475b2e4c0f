# SPDX-License-Identifier: Apache-2.0
"""Vertebra centroids as VerSe stores them, turned to the canonical volume.

``[{"direction": ["P", "I", "R"]}, {"label": 20, "X": 79.1, "Y": 40.9, "Z": 32.3}, …]``

The letters say where each of X, Y and Z *runs to*, as nibabel's axis codes do; P, I, R begin at the anterior,
superior, left corner. They may differ from the axes of the image. Units are voxels of the image, except in the files of
the MICCAI challenge (``…iso-ctd.json``, and any without ``direction``): 1 mm, axes P, I, R.
(VerSe's own reader: anjany/verse, ``utils/data_utilities.py``.)
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcf_training.data.annotated import LEVELS, DataCode, DataError

MICCAI_DIRECTION = ("P", "I", "R")
# Letter → canonical axis (0 x, 1 y, 2 z) and whether it runs the canonical way: left, back, head.
_LETTERS = {"L": (0, True), "R": (0, False), "P": (1, True), "A": (1, False), "S": (2, True), "I": (2, False)}


@dataclass(frozen=True)
class Centroids:
    """Centroids of a scan by VerSe label, in the axes and units of the file."""

    direction: tuple[str, str, str]
    in_mm: bool
    points: dict[int, tuple[float, float, float]]

    def canonical_mm(
        self, shape: tuple[int, int, int], spacing_mm: tuple[float, float, float]
    ) -> dict[int, NDArray[np.float64]]:
        """x, y, z in mm from the centre of voxel (0, 0, 0) of a canonical volume of (z, y, x) ``shape`` and spacing."""
        found = {}
        for label, point in self.points.items():
            place = np.empty(3)
            for letter, value in zip(self.direction, point, strict=True):
                axis, forward = _LETTERS[letter]
                size, spacing = shape[2 - axis], spacing_mm[2 - axis]
                # VerSe's reader flips with size − c, one voxel from the mirror image of index c: kept as it is.
                if self.in_mm:
                    place[axis] = value if forward else size * spacing - value
                else:
                    place[axis] = (value if forward else size - value) * spacing
            found[label] = place
        return found


def read_centroids(path: Path, where: str) -> Centroids:
    """Read a centroid file; entries that are not a number are left out, as VerSe's reader does.

    Parameters
    ----------
    where
        What the errors call the study.

    Raises
    ------
    DataError
        ``BAD_CENTROIDS`` or ``UNKNOWN_LEVEL``.
    """
    try:
        entries = json.loads(path.read_text())
    except (OSError, ValueError):
        raise DataError(DataCode.BAD_CENTROIDS, f"{where}: the centroid file is no readable JSON") from None
    if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        raise DataError(DataCode.BAD_CENTROIDS, f"{where}: the centroid file must hold a list of objects")
    directions = [e["direction"] for e in entries if "direction" in e]
    if len(directions) > 1:
        raise DataError(DataCode.BAD_CENTROIDS, f"{where}: {len(directions)} directions in one centroid file")
    direction = _direction(directions[0] if directions else MICCAI_DIRECTION, where)
    points: dict[int, tuple[float, float, float]] = {}
    for entry in entries:
        if "direction" in entry:
            continue
        label, point = _entry(entry, where)
        if label in points:
            raise DataError(DataCode.BAD_CENTROIDS, f"{where}: two centroids have the label {label}")
        if all(map(math.isfinite, point)):
            points[label] = point
    in_mm = not directions or path.name.lower().endswith("iso-ctd.json")
    return Centroids(direction, in_mm, points)


def _direction(letters: Any, where: str) -> tuple[str, str, str]:
    if not isinstance(letters, list | tuple) or sorted(_LETTERS.get(str(c), (-1,))[0] for c in letters) != [0, 1, 2]:
        raise DataError(
            DataCode.BAD_CENTROIDS,
            f"{where}: direction must be one letter each of L or R, P or A, S or I, e.g. P, I, R",
        )
    first, second, third = map(str, letters)
    return first, second, third


def _entry(entry: dict[str, Any], where: str) -> tuple[int, tuple[float, float, float]]:
    try:
        label = int(entry["label"])
        x, y, z = (float("nan") if entry[axis] is None else float(entry[axis]) for axis in "XYZ")
    except (KeyError, TypeError, ValueError):
        raise DataError(DataCode.BAD_CENTROIDS, f"{where}: a centroid lacks a number for label, X, Y or Z") from None
    if label not in LEVELS:
        raise DataError(
            DataCode.UNKNOWN_LEVEL,
            f"{where}: a centroid has the label {label}, accepted are {min(LEVELS)}–{max(LEVELS)}",
        )
    return label, (x, y, z)
