# SPDX-License-Identifier: Apache-2.0
"""Own data as a plain CSV beside DICOM folders or NIfTI files: one line a graded vertebra.

=========================  ================================================================================
``study``                  folder of a DICOM study, or a ``.nii``/``.nii.gz`` file, relative to the CSV
``patient``                any identifier; only its keyed hash leaves the reader
``vertebra``               T1 … T13, L1 … L6; empty: the line is about the whole study
``grade``                  Genant 0–3; empty: not graded. Of the whole study: its highest grade
``type``                   optional: wedge, biconcave, crush
``x_mm, y_mm, z_mm``       optional: middle of the body in patient coordinates
``space``                  optional: LPS as in DICOM (default), or RAS as many NIfTI viewers show
``labels``, ``canal``      optional: NIfTI masks on the grid of the CT; VerSe labels, and the spinal canal as non-zero
=========================  ================================================================================

A line about the whole study says that every vertebra was looked at: those without a line are sound. Without it they are
unknown. A vertebra that is neither given a position nor shown by ``labels`` counts for the study alone.
"""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vcf_client.reader import read_study
from vcf_preprocess.geometry import Volume
from vcf_training.data.annotated import GRADABLE, LEVELS, AnnotatedStudy, DataCode, DataError, Grade, Scan, hashed
from vcf_training.data.canal import mask_centres_mm
from vcf_training.data.places import canal_of_labels, canal_of_mask, check_inside, check_points, vertebrae_at
from vcf_training.data.verse import read_labels
from vcf_training.phantom.fracture import SHAPES

REQUIRED = ("study", "patient", "vertebra", "grade")
OPTIONAL = ("type", "x_mm", "y_mm", "z_mm", "space", "labels", "canal")
_FROM_RAS = {"LPS": np.ones(3), "RAS": np.array((-1.0, -1.0, 1.0))}

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Line:
    """A checked line of the CSV. ``level`` is None where it is about the study as a whole."""

    number: int
    study: str
    patient: str
    level: str | None
    grade: Grade
    lps_mm: tuple[float, float, float] | None
    labels: str
    canal: str


def is_table(path: Path) -> bool:
    """Tell whether a file is a CSV with the required columns."""
    if path.suffix.lower() != ".csv" or not path.is_file():
        return False
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        return set(REQUIRED) <= set(_names(next(csv.reader(file), [])))


def find_table(root: Path) -> Path | None:
    """The CSV that is or lies in ``root``; None where there is none with the required columns."""
    if root.is_file():
        return root if is_table(root) else None
    found = [p for p in sorted(root.glob("*.csv")) if is_table(p)]
    if len(found) > 1:
        raise DataError(
            DataCode.DUPLICATE_STUDY, f"{len(found)} CSV files list studies in the folder: name one of them"
        )
    return found[0] if found else None


def read_table(path: Path, problem: Callable[[DataError], None] | None = None) -> list[AnnotatedStudy]:
    """The studies of a CSV, in the order of their first lines.

    Parameters
    ----------
    problem
        Told of each study that is left out for an error; None raises it.

    Raises
    ------
    DataError
        ``BAD_COLUMNS`` always; anything else of a study as ``problem`` says.
    """
    groups: dict[str, list[Line]] = {}
    bad: set[str] = set()
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        rows = csv.reader(file)
        names = _names(next(rows, []))
        missing = [name for name in REQUIRED if name not in names]
        if missing:
            raise DataError(
                DataCode.BAD_COLUMNS,
                f"the CSV lacks the columns {', '.join(missing)}; required are {', '.join(REQUIRED)}, "
                f"optional {', '.join(OPTIONAL)}",
            )
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            cells = dict(zip(names, (cell.strip() for cell in row), strict=False))
            study = str(Path(cells.get("study", "")))
            try:
                groups.setdefault(study, []).append(_line(rows.line_num, cells))
            except DataError as error:
                if problem is None:
                    raise
                bad.add(study)
                problem(error)
    studies = []
    for number, (study, lines) in enumerate(groups.items(), start=1):
        if study in bad or not lines:
            continue
        try:
            studies.append(_study(path.parent, lines, f"study {number} of {len(groups)} (line {lines[0].number})"))
        except DataError as error:
            if problem is None:
                raise
            problem(error)
    if not groups:
        raise DataError(DataCode.NO_STUDIES, "the CSV holds no line but its header")
    return studies


def _names(header: Sequence[str]) -> list[str]:
    return [name.strip().lower() for name in header]


def _line(number: int, cells: Mapping[str, str]) -> Line:
    def bad(column: str, accepted: str) -> DataError:
        return DataError(DataCode.BAD_VALUE, f"line {number}, column {column}: accepted are {accepted}")

    for column in ("study", "patient"):
        if not cells.get(column):
            raise bad(column, "anything but an empty cell")
    level = cells.get("vertebra", "").upper()
    if level and level not in GRADABLE:
        raise DataError(
            DataCode.UNKNOWN_LEVEL,
            f"line {number}, column vertebra: accepted are T1 … T13, L1 … L6, or empty for the whole study",
        )
    grade, shape = cells.get("grade", ""), cells.get("type", "").lower()
    if grade not in ("", "0", "1", "2", "3"):
        raise bad("grade", "0, 1, 2, 3, and an empty cell where a vertebra is not graded")
    if not level and not grade:
        raise bad("grade", "0, 1, 2, 3 where vertebra is empty: the highest grade of the whole study")
    if shape not in ("", *SHAPES):
        raise bad("type", f"{', '.join(SHAPES)}, and an empty cell")
    space = cells.get("space", "").upper() or "LPS"
    if space not in _FROM_RAS:
        raise bad("space", "LPS and RAS")
    written = [cells.get(column, "") for column in ("x_mm", "y_mm", "z_mm")]
    place = None
    if any(written):
        try:
            x, y, z = (np.array([float(value) for value in written]) * _FROM_RAS[space]).tolist()
        except ValueError:
            raise bad("x_mm, y_mm, z_mm", "three numbers, or three empty cells") from None
        if not np.isfinite((x, y, z)).all():
            raise bad("x_mm, y_mm, z_mm", "three finite numbers")
        place = x, y, z
    verdict = Grade(int(grade) if grade else None, shape if shape and grade not in ("", "0") else None)
    return Line(
        number,
        cells["study"],
        cells["patient"],
        level or None,
        verdict,
        place,
        cells.get("labels", ""),
        cells.get("canal", ""),
    )


def _study(folder: Path, lines: Sequence[Line], where: str) -> AnnotatedStudy:
    patients = {line.patient for line in lines}
    if len(patients) > 1:
        raise DataError(DataCode.GRADE_MISMATCH, f"{where}: its lines name {len(patients)} patients, one is accepted")
    of_study = [line for line in lines if line.level is None]
    listed = {line.level: line for line in lines if line.level is not None}
    if len(listed) + len(of_study) < len(lines) or len(of_study) > 1:
        raise DataError(DataCode.GRADE_MISMATCH, f"{where}: a vertebra, or the study as a whole, has two lines")
    worst = max((line.grade.grade or 0 for line in listed.values()), default=0)
    stated = of_study[0].grade.grade if of_study else None
    if stated is not None and worst and worst != stated:
        raise DataError(
            DataCode.GRADE_MISMATCH,
            f"{where}: the study's highest grade is given as {stated}, its vertebrae have {worst}",
        )
    if not (folder / lines[0].study).exists():
        raise DataError(DataCode.NO_IMAGE, f"{where}: there is no CT at the path in column study")
    return AnnotatedStudy(
        hashed(str(Path(lines[0].study))),
        hashed(lines[0].patient),
        "csv",
        {level: line.grade for level, line in listed.items()},
        partial(_read, folder, tuple(lines), listed, where),
        complete=stated is not None,
        study_grade=stated,
    )


def _read(folder: Path, lines: Sequence[Line], listed: Mapping[str, Line], where: str) -> Scan:
    volume = read_study(folder / lines[0].study).volume
    depth, height, width = volume.hu.shape
    shape = depth, height, width
    points = {level: _canonical_mm(volume, line.lps_mm) for level, line in listed.items() if line.lps_mm}
    check_inside(points, shape, volume.spacing_mm, where)
    labels = canal = sizes = None
    label_file = next((line.labels for line in lines if line.labels), "")
    if label_file:
        labels = read_labels(_existing(folder / label_file, where), volume, where)
        check_points(points, labels, volume.spacing_mm, where)
        points = _label_middles(labels, volume.spacing_mm) | points
        canal = canal_of_labels(labels, volume.spacing_mm)
    canal_file = next((line.canal for line in lines if line.canal), "")
    if canal_file:
        mask = read_labels(_existing(folder / canal_file, where), volume, where, every_value=True) > 0
        canal, sizes = canal_of_mask(mask, volume.spacing_mm)
    grades = {level: line.grade for level, line in listed.items()}
    vertebrae = vertebrae_at(points, grades, labels=labels, spacing_mm=volume.spacing_mm, canal_mm=canal)
    return Scan(volume, vertebrae, canal, sizes, labels)


def _existing(path: Path, where: str) -> Path:
    if not path.is_file():
        raise DataError(DataCode.NO_IMAGE, f"{where}: there is no mask at the path in column labels or canal")
    return path


def _canonical_mm(volume: Volume, lps_mm: tuple[float, float, float]) -> Array:
    """Patient LPS mm to x, y, z in mm from the centre of voxel (0, 0, 0): the inverse of ``Volume.to_lps_mm``."""
    index = np.linalg.solve(volume.affine[:3, :3], np.array(lps_mm) - volume.affine[:3, 3])
    place: Array = index * np.array(volume.spacing_mm[::-1])
    return place


def _label_middles(labels: NDArray[np.uint8], spacing_mm: tuple[float, float, float]) -> dict[str, Array]:
    """Middle x, y, z of each label that touches neither end of the volume: a vertebra cut off is no whole one."""
    middles = {}
    for value, level in LEVELS.items():
        mask = labels == value
        if level not in GRADABLE or not mask.any() or mask[0].any() or mask[-1].any():
            continue
        x, y = np.nanmean(mask_centres_mm(mask, spacing_mm), axis=0)
        middles[level] = np.array((x, y, np.flatnonzero(mask.any(axis=(1, 2))).mean() * spacing_mm[0]))
    return middles
