# SPDX-License-Identifier: Apache-2.0
"""The graded CTs of VerSe'19 among the development data: CT, vertebra masks and radiologists' Genant grades.

They may choose steps and thresholds and be evaluated on; CC BY-SA keeps them out of what trains the weights that ship.
(Löffler et al., Radiology: AI 2020;2:e190138.)
"""

import csv
import logging
from pathlib import Path

import numpy as np

from vcf_contract.errors import SetupError
from vcf_training.data.places import canal_of_labels
from vcf_training.data.real_spines import Masks, RealSpine
from vcf_training.data.sources import SOURCES, Where, read_nifti

log = logging.getLogger(__name__)

FOLDER = "verse-graded"
GRADES = "grades.csv"


def load_graded_spines(shared_data: Path | None = None) -> list[RealSpine]:
    """The graded spines that have a CT; one whose data is absent is left out and logged.

    Raises
    ------
    ValueError
        If a mask does not fit its CT.
    """
    where = Where(shared_data)
    spines = []
    for name, source in SOURCES.items():
        if not name.startswith("verse/"):
            continue
        scan = Path(name).name
        try:
            volume, grades = source.read(where), read_grades(where)[scan]
            mask = read_nifti(where.folder(f"{FOLDER}/{scan}") / f"{scan}_seg-vert_msk.nii.gz").hu
        except SetupError as error:
            log.warning("spine of %s left out: %s", name, error)
            continue
        if mask.shape != volume.hu.shape:
            raise ValueError(f"{name}: a mask of {mask.shape} does not fit the CT of {volume.hu.shape}")
        labels = mask.clip(0, 255).astype(np.uint8)
        canal = canal_of_labels(labels, volume.spacing_mm)
        if canal is None:
            raise ValueError(f"{name}: the mask shows no canal between its bodies and arches")
        spines.append(RealSpine(name, source.patient, volume, canal, Masks(labels, None), _remark(grades), grades))
    return spines


def read_grades(where: Where) -> dict[str, dict[str, int]]:
    """Genant grade by scan and level.

    Raises
    ------
    SetupError
        If the data is not at hand.
    """
    grades: dict[str, dict[str, int]] = {}
    with (where.folder(FOLDER) / GRADES).open(newline="") as file:
        for line in csv.DictReader(file):
            grades.setdefault(line["scan"], {})[line["vertebra"]] = int(line["genant_grade"])
    return grades


def _remark(grades: dict[str, int]) -> str:
    found = [f"{level} grade {grade}" for level, grade in grades.items() if grade]
    return f"{', '.join(found) or 'no fracture'}; a crop about {next(iter(grades))}–{list(grades)[-1]}"
