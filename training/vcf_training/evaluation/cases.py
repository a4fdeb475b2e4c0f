# SPDX-License-Identifier: Apache-2.0
"""A study with what is known about it, and the case that the pipeline makes of it; no network is needed for either."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcf_client.findings import Midsagittal
from vcf_contract.errors import StudyRefused
from vcf_preprocess.geometry import Volume
from vcf_training.evaluation.baseline import Heights
from vcf_training.phantom import Vertebra

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Study:
    """A study to be evaluated on.

    fractured, grade
        Whether it shows a fracture, and its highest Genant grade; None where that is not known.
    vertebrae
        Known bodies; those with a grade are the fractures that boxes should lie on.
    levels_mm
        Lowest and highest z of whatever else is labelled, the sacrum for one: it names what a patch shows.
    centre_line_mm
        (Nz, 2): true x, y of the canal on each slice, NaN where it is not known; None where it is known nowhere.
    group
        Studies of one patient, or else drawn from one, have one group: intervals by bootstrap keep them together.
    heights
        Heights of the vertebrae by each method of ``baseline.METHODS`` that could be used.
    traits
        What subgroups are made of: numbers or words.
    refusal
        Why there is no volume: the reader of the images already refused the study.
    synthetic
        The study, or its fractures, were made.
    reader_flags
        What the reader of the files flagged, or why it would have refused them.
    """

    name: str
    volume: Volume | None
    fractured: bool | None
    grade: int | None
    vertebrae: tuple[Vertebra, ...] = ()
    levels_mm: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    centre_line_mm: Array | None = None
    group: str = ""
    heights: Mapping[str, Heights] = field(default_factory=dict)
    traits: Mapping[str, float | str] = field(default_factory=dict)
    remark: str = ""
    refusal: StudyRefused | None = None
    synthetic: bool = False
    reader_flags: tuple[str, ...] = ()


def levels_in(study: Study, low_mm: float, high_mm: float) -> tuple[str, ...]:
    """Labels of a study that a box between two heights shows, by half of their height or a third of its own; from the
    head to the feet."""
    known = {v.level: (v.z0_mm, v.z1_mm) for v in study.vertebrae} | dict(study.levels_mm)
    seen = []
    for level, (bottom, top) in sorted(known.items(), key=lambda item: -item[1][1]):
        shared = min(top, high_mm) - max(bottom, low_mm)
        if shared >= min((top - bottom) / 2, (high_mm - low_mm) / 3):
            seen.append(level)
    return tuple(seen)


@dataclass(frozen=True)
class Picture:
    """Tell what the gallery draws; never part of the JSON."""

    midsagittal: Midsagittal
    location: NDArray[np.float32]
    probabilities: Array


@dataclass(frozen=True)
class Explanation:
    """Why a study scores as it does: its highest patch.

    patch
        Index of the highest score.
    levels
        What is known to lie in its box with half of its height, or to fill a third of the box.
    members
        Each member's probability of it, mean over the flips.
    drop
        (n, n), rows from head to feet, columns from front to back: by how much the patch's probability falls when that
        part of it is replaced by the patch's own mean. Negative where hiding it raises the probability.
    slab
        (H, W) median slab of the patch, 0 to 1 in its intensity window.
    """

    patch: int
    levels: tuple[str, ...]
    members: Mapping[str, float]
    drop: Array
    slab: NDArray[np.float32]


@dataclass(frozen=True)
class Case:
    """A study after the pipeline: its answer, or the code of its refusal, beside the truth.

    height_loss
        Score of the height baseline by each method; None where no vertebra could be measured.
    vertebrae
        All known bodies, sound ones too.
    levels_found
        What is known to lie in the highest box.
    changed
        Scores of the study when it was changed, if that was asked for.
    centre_error_mm
        Median and 95th percentile of the distance between the found and the true centre line, and the share of the
        line's slices within 5 mm.
    """

    name: str
    group: str
    fractured: bool | None
    grade: int | None
    fractures: tuple[Vertebra, ...]
    traits: Mapping[str, float | str]
    height_loss: Mapping[str, float | None]
    remark: str = ""
    synthetic: bool = False
    score: float | None = None
    patch_scores: Array = field(default_factory=lambda: np.empty(0))
    boxes_mm: NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 6), np.float32))
    flags: tuple[str, ...] = ()
    refused: str | None = None
    reason: str | None = None
    centre_error_mm: tuple[float, float, float] | None = None
    picture: Picture | None = field(default=None, repr=False)
    explanation: Explanation | None = field(default=None, repr=False)
    vertebrae: tuple[Vertebra, ...] = ()
    levels_found: tuple[str, ...] = ()
    changed: tuple["Changed", ...] = ()

    @property
    def usable(self) -> bool:
        """Tell whether score and truth are both there."""
        return self.score is not None and self.fractured is not None

    def to_dict(self) -> dict[str, Any]:
        """Give the case as it stands in the JSON."""
        return {
            "name": self.name,
            "fractured": self.fractured,
            "grade": self.grade,
            "fractures": {v.level: v.grade for v in self.fractures},
            "score": self.score,
            "patch_scores": np.round(self.patch_scores, 4).tolist(),
            "refused": self.refused,
            "flags": list(self.flags),
            "levels_found": list(self.levels_found),
            "height_loss": dict(self.height_loss),
            "centre_error_mm": self.centre_error_mm,
            "traits": dict(self.traits),
            **({"remark": self.remark} if self.remark else {}),
            **({"changed": [one.to_dict() for one in self.changed]} if self.changed else {}),
        }


@dataclass(frozen=True)
class Changed:
    """A study under one of ``vcf_training.evaluation.changes``: its score, or the code of its refusal.

    ``less`` is the unchanged study's score; ``case`` is kept of the largest change alone, for the picture. ``shown``
    tells whether patches still cover the box that scored highest: a cut may take away what the score was of.
    """

    kind: str
    name: str
    score: float | None
    refused: str | None
    less: float
    case: Case | None = field(default=None, repr=False)
    shown: bool = True

    @property
    def by(self) -> float | None:
        """Give the change of the score; None where the changed study was refused."""
        return None if self.score is None else self.score - self.less

    def flips(self, threshold: float) -> bool:
        """Tell whether the decision is another one, a refusal among them."""
        return self.score is None or (self.score >= threshold) != (self.less >= threshold)

    def to_dict(self) -> dict[str, Any]:
        """Give the change as it stands in the JSON."""
        return {n: getattr(self, n) for n in ("kind", "name", "score", "refused", "shown")}
