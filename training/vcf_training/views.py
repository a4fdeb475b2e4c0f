# SPDX-License-Identifier: Apache-2.0
"""A view: one field of view of a patient along a centre line as the detector would give it, cut into patches.

Training sees the spine through the product's own preparation, with the detector's errors put in on purpose: its
boxes scatter, drift and fail, and scans begin and end anywhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

import vcf_preprocess
from vcf_contract import spec as defaults
from vcf_contract.errors import StudyRefused
from vcf_contract.spec import MIN_COVERAGE_MM, PATCH, PatchSpec
from vcf_preprocess import centre_line, slices
from vcf_preprocess.patches import extract
from vcf_training.phantom import Vertebra, fractured_in
from vcf_training.studies import HEIGHT_UNIT_MM, Studies

Spacing = tuple[float, float, float]
UNDECIDED_SHARE = 0.15
"""A patch that shows this much of a fractured vertebra, yet does not count as fractured, is left out of the loss."""


PATIENT_MM = 1000.0
"""A scan begins anywhere in the patient, so examined slices and patches lie anywhere on a vertebra."""


@dataclass(frozen=True)
class DetectorError:
    """Tell how far detections lie from the truth; standard deviations in mm, and the share of slices without one."""

    scatter_mm: float = 1.5
    drift_mm: float = 1.5
    """Common to a whole study."""
    missed: float = 0.06


@dataclass(frozen=True)
class Crop:
    """Fields of view: ``whole_share`` of the views show everything, others at least ``least_share`` of the height.

    Each is cut into patches that overlap by one of ``overlaps``, drawn for it.
    """

    whole_share: float = 0.4
    least_share: float = 0.45
    overlaps: tuple[float, ...] = (0.0,)


def seen_line(
    truth_mm: NDArray[np.float64], spacing_z_mm: float, rng: Generator, error: DetectorError, location_mm: float = 0.0
) -> centre_line.CentreLine:
    """The centre line that a detector with these errors leads to, by the product's own rules.

    Parameters
    ----------
    truth_mm
        (n, 2): x, y of the canal on each slice.
    location_mm
        Where the first slice lies in the patient.

    Raises
    ------
    StudyRefused
        So many slices were missed that no line is left.
    """
    examined = slices.pick(len(truth_mm), spacing_z_mm, location_mm=location_mm)
    centres = (
        truth_mm[examined] + rng.normal(0, error.drift_mm, 2) + rng.normal(0, error.scatter_mm, (len(examined), 2))
    )
    confidence = np.where(rng.random(len(examined)) < error.missed, 0.0, 0.9)
    return centre_line.fit(examined * spacing_z_mm, centres, confidence, len(truth_mm), spacing_z_mm)


def draw_crop(n_slices: int, spacing_z_mm: float, rng: Generator, crop: Crop) -> slice:
    """Slices of a field of view, at least the shortest that the product accepts."""
    fewest = min(n_slices, int(np.ceil(max(MIN_COVERAGE_MM / spacing_z_mm, crop.least_share * n_slices))) + 1)
    if rng.random() < crop.whole_share or fewest >= n_slices:
        return slice(0, n_slices)
    count = int(rng.integers(fewest, n_slices + 1))
    start = int(rng.integers(0, n_slices - count + 1))
    return slice(start, start + count)


def patch_truth(
    vertebrae: Sequence[Vertebra], boxes_mm: NDArray[np.floating[Any]]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """Label, weight and grade (k,) of patches with boxes (k, 6); see ``Studies``."""
    label, weight, grade = (np.zeros(len(boxes_mm), np.uint8) for _ in range(3))
    weight[:] = 1
    for i, (low, high) in enumerate(zip(boxes_mm[:, 2], boxes_mm[:, 5], strict=True)):
        inside = [v for v in vertebrae if fractured_in([v], float(low), float(high))]
        if inside:
            label[i], grade[i] = 1, max(v.grade for v in inside)
            continue
        for v in vertebrae:
            shared = min(high, v.z1_mm) - max(low, v.z0_mm)
            if v.grade and shared > UNDECIDED_SHARE * (v.z1_mm - v.z0_mm):
                weight[i] = 0
    return label, weight, grade


def patch_anatomy(vertebrae: Sequence[Vertebra], boxes_mm: NDArray[np.floating[Any]], rows: int) -> NDArray[np.float16]:
    """``Studies.anatomy`` of patches with boxes (k, 6), from a list that leaves out no body between its ends."""
    anatomy = np.full((len(boxes_mm), rows, 5), np.nan, np.float16)
    if not vertebrae:
        return anatomy
    centre = np.array([v.centre_mm[2] for v in vertebrae])
    heights = np.array([v.heights_mm for v in vertebrae])
    grade = np.array([v.grade for v in vertebrae])
    lowest, highest = min(v.z0_mm for v in vertebrae), max(v.z1_mm for v in vertebrae)
    share = (np.arange(rows) + 0.5) / rows
    for patch, low, high in zip(anatomy, boxes_mm[:, 2], boxes_mm[:, 5], strict=True):
        z = high - share * (high - low)
        nearest = np.abs(z[:, None] - centre).argmin(1)
        inside = np.abs(z - centre[nearest]) <= heights[nearest].mean(1) / 2
        known = (z >= lowest) & (z <= highest)
        patch[known, 0] = inside[known]
        patch[known, 1:4] = np.where(inside[:, None], heights[nearest] / HEIGHT_UNIT_MM, np.nan)[known]
        patch[known, 4] = (inside & (grade[nearest] > 0))[known]
    return anatomy


def view(
    hu: NDArray[np.int16],
    spacing_mm: Spacing,
    truth_mm: NDArray[np.float64],
    vertebrae: Sequence[Vertebra],
    name: str,
    rng: Generator,
    *,
    crop: Crop = Crop(),
    error: DetectorError = DetectorError(),
    spec: PatchSpec = PATCH,
    complete: bool = False,
    tries: int = 6,
) -> Studies | None:
    """One study drawn from a volume with its canal (n, 2) and vertebrae; None where no try was usable.

    A field of view that cuts a fractured vertebra so that no patch shows it properly is drawn again: whether
    such a study is positive is a matter of taste. ``complete`` says that ``vertebrae`` leaves out no body between
    its ends, so that the anatomy of each row is known.
    """
    overlap = float(rng.choice(crop.overlaps)) if len(crop.overlaps) > 1 else crop.overlaps[0]
    for _ in range(tries):
        rows = draw_crop(len(hu), spacing_mm[0], rng, crop)
        location_mm = float(rng.uniform(0, PATIENT_MM))
        try:
            line = seen_line(truth_mm[rows], spacing_mm[0], rng, error, location_mm)
        except StudyRefused:
            continue
        tiles = extract(hu[rows], spacing_mm, line, spec, overlap=overlap, location_mm=location_mm)
        below = rows.start * spacing_mm[0]
        moved = [_lowered(v, below) for v in vertebrae]
        label, weight, grade = patch_truth(moved, tiles.boxes_mm)
        if not label.any() and not weight.all():
            continue
        return Studies(
            np.rint(tiles.patches * 255).astype(np.uint8),
            tiles.location,
            label,
            weight,
            grade,
            patch_anatomy(moved if complete else [], tiles.boxes_mm, spec.grid[0]),
            np.array([0, len(label)], np.int64),
            np.array([name]),
        )
    return None


def _lowered(v: Vertebra, by_mm: float) -> Vertebra:
    x, y, z = v.centre_mm
    return replace(v, centre_mm=(x, y, z - by_mm), z0_mm=v.z0_mm - by_mm, z1_mm=v.z1_mm - by_mm)


def preparation_code() -> list[Path]:
    """Files of the product that decide what a view holds; a change of one makes stored views stale."""
    return [Path(defaults.__file__), *Path(vcf_preprocess.__file__).parent.glob("*.py")]
