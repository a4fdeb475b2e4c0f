# SPDX-License-Identifier: Apache-2.0
"""The masks at hand (``spines.csv``), each with its canal, the landmarks of its bodies and their grades."""

import csv
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcf_contract.errors import SetupError
from vcf_training.data.real_spines import LEVELS
from vcf_training.data.sources import Use, Where, read_nifti
from vcf_training.phantom.anatomy import GRADED
from vcf_training.phantom.fracture import GENANT_BANDS
from vcf_training.warp.body import Body
from vcf_training.warp.heights import measure
from vcf_training.warp.midline import canal_from_labels

log = logging.getLogger(__name__)

SPINES_CSV = Path(__file__).with_name("spines.csv")
"""Which masks there are. ``levels`` are those that are used: beyond them the mask is cut or in doubt. Grades of VerSe
are those of its radiologists; those of the training masks follow from the heights that ``measure`` finds and Genant's
bands."""
FINE_MM = 0.8
"""Voxels smaller than this are taken every second or third: the surface is smoothed over more than that anyway."""

END_FIT_MM = 40.0

Array = NDArray[np.float64]


@dataclass(frozen=True)
class MaskSpine:
    """One spine as labels.

    labels
        Canonical (z, y, x), VerSe's numbers, 0 elsewhere.
    canal_mm
        (z, 2): canal centre x, y of each slice in mm from the centre of voxel (0, 0, 0).
    bodies
        Those that lie whole inside the mask, from head to feet.
    grades
        Genant grade of each fractured level.
    """

    name: str
    labels: NDArray[np.uint8]
    spacing_mm: tuple[float, float, float]
    canal_mm: Array
    bodies: tuple[Body, ...]
    grades: Mapping[str, int]


@dataclass(frozen=True)
class Entry:
    """A line of ``spines.csv``."""

    source: str
    use: Use
    licence: str
    levels: tuple[str, ...]
    grades: Mapping[str, int]


def read_entries(path: Path = SPINES_CSV) -> list[Entry]:
    """The masks that are known of.

    Raises
    ------
    ValueError
        If a line names a level or grade that there is not.
    """
    return list(map(_entry, csv.DictReader(path.read_text().splitlines())))


def _entry(line: Mapping[str, str]) -> Entry:
    names = list(LEVELS)
    first, last = line["levels"].split("-")
    grades = {level: int(grade) for level, grade in (part.split("=") for part in line["grades"].split())}
    if first not in names or last not in names or not set(grades) <= set(GRADED):
        raise ValueError(f"{line['source']}: a level is none of {', '.join(names)}")
    if not set(grades.values()) <= set(GENANT_BANDS):
        raise ValueError(f"{line['source']}: grades are 1, 2 and 3, found {sorted(set(grades.values()))}")
    if line["use"] not in ("train", "tune"):
        raise ValueError(f"{line['source']}: use is {line['use']!r}, accepted are train and tune")
    use: Use = "train" if line["use"] == "train" else "tune"
    return Entry(line["source"], use, line["licence"], tuple(names[names.index(first) : names.index(last) + 1]), grades)


def load_mask_spines(shared_data: Path | None = None, use: Use = "train") -> list[MaskSpine]:
    """The masks of one use; one whose data is absent is left out and logged."""
    where, spines = Where(shared_data), []
    for entry in read_entries():
        if entry.use != use:
            continue
        inside = Path(entry.source).relative_to("shared")
        try:
            volume = read_nifti(where.folder(str(inside.parent)) / inside.name)
        except SetupError as error:
            log.warning("mask of %s left out: %s", entry.source, error)
            continue
        strides = tuple(max(1, round(FINE_MM / mm)) for mm in volume.spacing_mm)
        labels = volume.hu[:: strides[0], :: strides[1], :: strides[2]]
        spacing = tuple(mm * n for mm, n in zip(volume.spacing_mm, strides, strict=True))
        spines.append(of_labels(inside.parent.name, labels, (spacing[0], spacing[1], spacing[2]), entry))
    return spines


def of_labels(
    name: str, labels: NDArray[np.integer[Any]], spacing_mm: tuple[float, float, float], entry: Entry
) -> MaskSpine:
    """The used levels of a mask (z, y, x) as a spine."""
    used = [LEVELS[level] for level in entry.levels]
    kept = np.where(np.isin(labels, used), labels, 0).astype(np.uint8)
    rows = np.flatnonzero(kept.any(axis=(1, 2)))
    kept = kept[max(rows[0] - 2, 0) : rows[-1] + 3]
    canal = canal_from_labels(kept, spacing_mm)
    _straighten_ends(canal, kept, spacing_mm[0])
    names = {LEVELS[level]: level for level in entry.levels if level in GRADED}
    points = measure(kept, names, spacing_mm, canal)
    bodies = [Body.from_six_points(level, six, canal, spacing_mm[0]) for level, six in points.items()]
    bodies.sort(key=lambda body: -float(body.origin[2]))
    return MaskSpine(name, kept, spacing_mm, canal, tuple(bodies), entry.grades)


def _straighten_ends(canal_mm: Array, labels: NDArray[np.uint8], dz: float) -> None:
    """Go on straight beyond the middles of the outermost vertebrae, whose arches may be cut, in place."""
    at = [np.flatnonzero((labels == label).any(axis=(1, 2))).mean() for label in np.unique(labels[labels > 0])]
    low, high = round(min(at)), round(max(at))
    reach = min(round(END_FIT_MM / dz), high - low)
    index = np.arange(len(canal_mm))
    for end, beside, beyond in (
        (low, slice(low, low + reach + 1), index < low),
        (high, slice(high - reach, high + 1), index > high),
    ):
        for i in (0, 1):
            slope = np.polyfit(index[beside], canal_mm[beside, i], 1)[0] if reach else 0.0
            canal_mm[beyond, i] = canal_mm[end, i] + slope * (index[beyond] - end)
