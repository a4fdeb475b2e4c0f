# SPDX-License-Identifier: Apache-2.0
"""Real CTs whose vertebral bodies are known: from labels, or from corners read by eye (``corners.csv``)."""

import csv
import logging
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vcf_preprocess.geometry import Volume
from vcf_training.data.real_spines import LEVELS, RealSpine, load_real_spines
from vcf_training.data.sources import Use
from vcf_training.phantom import Vertebra
from vcf_training.phantom.anatomy import GRADED
from vcf_training.phantom.vertebra import LANDMARK
from vcf_training.warp.body import Body
from vcf_training.warp.edges import refined
from vcf_training.warp.heights import SixPoints, measure

log = logging.getLogger(__name__)

CORNERS_CSV = Path(__file__).with_name("corners.csv")
"""Corners of bodies without labels, read by one non-medical reader on reformats that follow the canal from side to side
(6 mm thick, a grid of 10 mm): y, z in mm from the centre of voxel (0, 0, 0). In slices of 5 mm they are good to about
3 mm; levels were counted from the ribs. ``collapsible`` is no where a body already looks like a fracture."""
MAX_REFINED_SLICE_MM = 3.0
"""The thickest slices whose landmarks are refined: in thicker ones an endplate and its disc are one blur: the
landmarks stay as they were read."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Patient:
    """A CT and the bodies in it.

    canal_mm
        (z, 2): canal centre x, y of each slice in mm from the centre of voxel (0, 0, 0), complete.
    canal_slices
        First and last slice on which the canal was seen; beyond them it is held constant.
    bodies
        From head to feet.
    collapsible
        Levels that a fracture may be made of; the others already look like one.
    grades
        Genant grade of each level that is fractured in the patient, before any deformation.
    """

    name: str
    volume: Volume
    canal_mm: Array
    canal_slices: tuple[int, int]
    bodies: tuple[Body, ...]
    collapsible: frozenset[str]
    grades: Mapping[str, int] = field(default_factory=dict)


def load_patients(
    shared_data: Path | None = None,
    cache: Path | None = None,
    use: Use = "train",
    *,
    unmarked: bool = False,
    names: Collection[str] | None = None,
) -> list[Patient]:
    """All patients of one use whose data can be had, or those of the sources ``names``.

    ``use="evaluate"`` gives the test patient: its deformed copies may be evaluated on, never trained. ``unmarked``
    takes those too of whom no body is known: no fracture can be made of them, but each copy looks otherwise.
    """
    corners = read_corners()
    spines = load_real_spines(shared_data, cache, use, names)
    patients = [
        p or without_bodies(spine)
        for spine in spines
        if (p := make_patient(spine, corners.get(spine.source, {}))) is not None or unmarked
    ]
    log.info("%d patients with %d vertebral bodies", len(patients), sum(len(p.collapsible) for p in patients))
    return patients


def make_patient(spine: RealSpine, read: "Mapping[str, Corners]") -> Patient | None:
    """Find the bodies of a spine; None where it has none. Labels come before corners ``read`` by eye."""
    canal, seen = complete_canal(spine.canal_mm)
    volume = spine.volume
    dz = volume.spacing_mm[0]
    if spine.masks is not None:
        names = {label: level for level, label in LEVELS.items() if level in GRADED}
        points = measure(spine.masks.labels, names, volume.spacing_mm, canal)
        collapsible = frozenset(points)
    else:
        points = {level: corners.points for level, corners in read.items()}
        collapsible = frozenset(level for level, corners in read.items() if corners.collapsible)
    if not points:
        return None
    bodies = [Body.from_six_points(level, six, canal, dz) for level, six in points.items()]
    if dz <= MAX_REFINED_SLICE_MM:
        bodies = [refined(body, volume.hu, volume.spacing_mm) for body in bodies]
    bodies.sort(key=lambda b: -float(b.origin[2]))
    return Patient(spine.patient, volume, canal, seen, tuple(bodies), collapsible)


def graded_patient(spine: RealSpine) -> Patient:
    """A patient whose vertebrae are labelled and graded; levels without a whole body are left out."""
    patient = make_patient(spine, {})
    if patient is None:
        return without_bodies(spine)
    shown = {body.level for body in patient.bodies}
    grades = {level: grade for level, grade in spine.grades.items() if grade and level in shown}
    return replace(patient, grades=grades, collapsible=patient.collapsible - set(grades))


def known_vertebrae(patient: Patient) -> tuple[Vertebra, ...]:
    """The bodies of a patient as they are in its CT."""
    found = []
    for body in patient.bodies:
        x, y, z = body.origin.tolist()
        heights, marks = tuple(body.heights_mm.tolist()), body.landmarks_mm[..., 2]
        low, high, grade = float(marks.min()), float(marks.max()), patient.grades.get(body.level, 0)
        found.append(Vertebra(body.level, (x, y, z), (heights[0], heights[1], heights[2]), low, high, grade, None))
    return tuple(found)


def without_bodies(spine: RealSpine) -> Patient:
    """A patient in whom no body is known."""
    canal, seen = complete_canal(spine.canal_mm)
    return Patient(spine.patient, spine.volume, canal, seen, (), frozenset())


def complete_canal(canal_mm: Array) -> tuple[Array, tuple[int, int]]:
    """Fill slices without a canal (NaN) by interpolation, beyond the ends by the nearest; and the slices seen.

    Raises
    ------
    ValueError
        If no slice shows the canal.
    """
    known = np.flatnonzero(np.isfinite(canal_mm).all(axis=1))
    if not len(known):
        raise ValueError("the canal is known on no slice, at least one is needed")
    index = np.arange(len(canal_mm))
    full = np.stack([np.interp(index, known, canal_mm[known, i]) for i in (0, 1)], axis=1)
    return full, (int(known[0]), int(known[-1]))


@dataclass(frozen=True)
class Corners:
    """Corners of a body in the median plane as read by eye."""

    upper_mm: Array
    """(2, 2): front and back; y, z in mm from the centre of voxel (0, 0, 0)."""
    lower_mm: Array
    collapsible: bool

    @property
    def points(self) -> SixPoints:
        """Landmarks on the straight lines between the corners."""
        share = 0.5 + np.array((-LANDMARK, 0.0, LANDMARK))[:, None]
        plates = [front + share * (back - front) for front, back in (self.upper_mm, self.lower_mm)]
        along = (self.upper_mm[1] - self.upper_mm[0] + self.lower_mm[1] - self.lower_mm[0]) / 2
        return SixPoints(plates[0], plates[1], float(np.hypot(*along)), float(np.arctan2(along[1], along[0])))


def read_corners(path: Path = CORNERS_CSV) -> dict[str, dict[str, Corners]]:
    """Source → level → corners.

    Raises
    ------
    ValueError
        If a line names a level that carries no grade, or its corners are not a body's.
    """
    found: dict[str, dict[str, Corners]] = defaultdict(dict)
    with path.open(newline="") as file:
        for number, line in enumerate(csv.DictReader(file), start=2):
            upper, lower = (
                np.array([[float(line[f"{plate}_{end}_{axis}"]) for axis in "yz"] for end in ("front", "back")])
                for plate in ("upper", "lower")
            )
            if line["level"] not in GRADED:
                raise ValueError(f"{path.name} line {number}: level {line['level']!r} is none of {', '.join(GRADED)}")
            if (upper[:, 1] <= lower[:, 1]).any() or (upper[1, 0] <= upper[0, 0]) or (lower[1, 0] <= lower[0, 0]):
                raise ValueError(f"{path.name} line {number}: upper must lie above lower, and front before back")
            found[line["source"]][line["level"]] = Corners(upper, lower, line["collapsible"] == "yes")
    return dict(found)
