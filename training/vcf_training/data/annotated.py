# SPDX-License-Identifier: Apache-2.0
"""A study with graded vertebrae, whatever format it came in: what every reader of annotated data yields.

What is known before a voxel is read (patient, grades) is a plain attribute, so that splits and counts are cheap;
``load`` reads the rest.
"""

import hashlib
import hmac
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcf_client.dicom.privacy import HASH_KEY_VARIABLE
from vcf_contract.errors import VcfError
from vcf_preprocess.geometry import Volume
from vcf_training.phantom.fracture import SHAPES

LEVELS: dict[int, str] = (
    {i: f"C{i}" for i in range(1, 8)}
    | {i + 7: f"T{i}" for i in range(1, 13)}
    | {i + 19: f"L{i}" for i in range(1, 7)}
    | {26: "sacrum", 27: "coccyx", 28: "T13"}
)
"""Level of each VerSe label."""
GRADABLE = (*(f"T{i}" for i in range(1, 14)), *(f"L{i}" for i in range(1, 7)))
"""Levels that carry a fracture grade, from head to feet; cervical ones are outside the method."""
GRADES = (0, 1, 2, 3)


class DataCode(StrEnum):
    """Tell what is wrong with annotated data."""

    NO_STUDIES = "NO_STUDIES"
    NO_IMAGE = "NO_IMAGE"
    NO_CENTROIDS = "NO_CENTROIDS"
    NO_GRADES = "NO_GRADES"
    BAD_CENTROIDS = "BAD_CENTROIDS"
    BAD_COLUMNS = "BAD_COLUMNS"
    BAD_VALUE = "BAD_VALUE"
    BAD_MASK = "BAD_MASK"
    UNKNOWN_LEVEL = "UNKNOWN_LEVEL"
    GRADE_MISMATCH = "GRADE_MISMATCH"
    GRID_MISMATCH = "GRID_MISMATCH"
    POSITION_MISMATCH = "POSITION_MISMATCH"
    DUPLICATE_STUDY = "DUPLICATE_STUDY"
    DUPLICATE_IMAGE = "DUPLICATE_IMAGE"
    PATIENT_IN_TWO_PARTS = "PATIENT_IN_TWO_PARTS"
    SPLIT_MISMATCH = "SPLIT_MISMATCH"


class DataError(VcfError):
    """Annotated data that must not be learnt from as it is.

    The sentence names a study by its number and a table's cell by line and column, never by an id or a path.
    """

    code: DataCode

    def __init__(self, code: DataCode, sentence: str) -> None:
        super().__init__(f"{code}: {sentence}")
        self.code = code
        self.sentence = sentence


@dataclass(frozen=True)
class Grade:
    """A reader's verdict on a vertebra. ``grade`` is Genant's 0–3, None where it was not or cannot be graded."""

    grade: int | None
    shape: str | None = None
    """wedge, biconcave or crush; None without a fracture or where it was not told."""

    def __post_init__(self) -> None:
        if self.grade is not None and self.grade not in GRADES:
            raise ValueError(f"grade is {self.grade!r}, accepted are 0, 1, 2, 3 and none")
        if self.shape is not None and self.shape not in SHAPES:
            raise ValueError(f"shape is {self.shape!r}, accepted are {', '.join(SHAPES)}")


@dataclass(frozen=True)
class AnnotatedVertebra:
    """One vertebra in place; lengths in mm from the centre of voxel (0, 0, 0) of the canonical volume."""

    level: str
    verdict: Grade
    centre_mm: tuple[float, float, float]
    """x, y, z of the body's middle; as far as it is known, see ``heights_mm``."""
    z_mm: tuple[float, float]
    """Lowest and highest point of its endplates in the median plane."""
    heights_mm: tuple[float, float, float] | None = None
    """Anterior, middle, posterior by six-point morphometry; None where no mask shows the body."""


@dataclass(frozen=True)
class Scan:
    """The voxels of a study and everything that is known about them, in the project's canonical axes.

    vertebrae
        Gradable ones, from head to feet.
    canal_mm
        (z, 2): x, y of the canal's centre on each slice; NaN where it is not known. None: nowhere.
    canal_size_mm
        (z, 2): its width left-right and height antero-posterior, NaN likewise; None where no box is known.
    labels
        (z, y, x) uint8, VerSe numbers; None without a mask.
    """

    volume: Volume
    vertebrae: tuple[AnnotatedVertebra, ...]
    canal_mm: NDArray[np.float64] | None = None
    canal_size_mm: NDArray[np.float64] | None = None
    labels: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class AnnotatedStudy:
    """One CT with graded vertebrae.

    key, patient
        Keyed hashes of the scan's and of the patient's identifier.
    grades
        By level, of the gradable vertebrae that the scan shows as far as they are listed.
    complete
        Every vertebra that lies whole in the scan is listed. Otherwise those without an entry are unknown.
    study_grade
        Highest grade in the study where it was stated for the study as a whole; its vertebra need not be known.
    """

    key: str
    patient: str
    source: str
    grades: Mapping[str, Grade]
    read: Callable[[], Scan] = field(repr=False, compare=False)
    complete: bool = True
    study_grade: int | None = None
    synthetic: bool = False

    @property
    def grade(self) -> int | None:
        """Highest Genant grade of the study; None where that is not known.

        A study whose known vertebrae are sound is only known to be sound if none is left ungraded.
        """
        if self.study_grade is not None:
            return self.study_grade
        known = [g.grade for g in self.grades.values() if g.grade is not None]
        if known and max(known) > 0:
            return max(known)
        return 0 if known and self.complete and len(known) == len(self.grades) else None

    @property
    def fractured(self) -> bool | None:
        """Tell whether the study shows a fracture; None where that is not known."""
        return None if self.grade is None else self.grade > 0

    def load(self) -> Scan:
        """Read the voxels.

        Raises
        ------
        StudyRefused
            As the product's reader refuses the CT: it could not be analysed either.
        DataError
            CT and annotation do not belong together.
        """
        return self.read()


def hashed(identifier: str) -> str:
    """16 hex digits that stand for an identifier of a patient or a scan.

    HMAC-SHA256 under the secret of the environment variable ``VCF_HASH_KEY``, so that it cannot be looked up; without
    that variable the hash is the same everywhere, and a short identifier can be guessed from it.
    """
    secret = os.environ.get(HASH_KEY_VARIABLE, "").encode() or b"vcf-triton"
    return hmac.new(secret, identifier.encode(), "sha256").hexdigest()[:16]


def content_digest(hu: NDArray[Any]) -> str:
    """SHA-256 of a canonical volume's voxels and shape: the same image under another name, or stored in other axes."""
    digest = hashlib.sha256(repr(hu.shape).encode())
    digest.update(np.ascontiguousarray(hu).view(np.uint8).data)
    return digest.hexdigest()
