# SPDX-License-Identifier: Apache-2.0
"""Every public CT as a study: read as the product reads it, with all that is known of it and by whom."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import find_objects

from vcf_contract.errors import Code, SetupError
from vcf_preprocess.geometry import Volume
from vcf_training.data.annotated import Grade
from vcf_training.data.graded_spines import load_graded_spines
from vcf_training.data.places import vertebrae_at
from vcf_training.data.real_spines import LEVELS, RealSpine, load_real_spines
from vcf_training.data.sources import SOURCES, USES, Where
from vcf_training.data.verse import first_slice
from vcf_training.evaluation.baseline import LABELS
from vcf_training.evaluation.cases import Study
from vcf_training.phantom import Vertebra
from vcf_training.phantom.anatomy import GRADED
from vcf_training.store import read_manifest
from vcf_training.warp import measure
from vcf_training.warp.patients import complete_canal, make_patient

GRADED_BY, BY_EYE, UNREAD = "graded by radiologists", "read by eye, not by a radiologist", "read by nobody"
REFUSED = {Code.PET_CT, Code.SMALL_FIELD_OF_VIEW, Code.TOO_SHORT}
"""Why the reader refuses some of them, which are scored all the same."""
REMARKS = {
    "shared/ct/hcc002": "no crush; giant bridging osteophytes T11–L1; contrast, T8–L3",
    "shared/ct/hcc006": "no crush; thin bone, a mild curve; T6–L4",
    "shared/ct/hcc013": "no crush; kyphosis, anterior bridging; about T6–L1",
    "shared/ct/rider0109": "no crush; a Schmorl node with a sclerotic rim; T1–L2",
    "shared/ct/acrin013": "no fracture; T4–T11",
    "shared/ct/lungx-ct004": "no fracture; contrast, T1–L1",
    "shared/ct/lung1_003": "no crush; flowing ossification (DISH); C3–L1",
}
"""Of CTs without a known spine; the others' remarks stand with their spines."""


@dataclass(frozen=True)
class Used:
    """The patients that weights have learnt from, and those that they were tuned on, by their manifest."""

    trained: frozenset[str]
    tuned: frozenset[str]

    @classmethod
    def by(cls, folder: Path) -> "Used":
        """Read the manifest: ``real_scans`` of the detector and of each member, and of the operating point."""
        manifest = read_manifest(folder)
        learnt = [manifest.get("detector", {}), *manifest.get("members", {}).values()]
        return cls(
            frozenset(patient for entry in learnt for patient in entry.get("real_scans", ())),
            frozenset(manifest.get("operating_point", {}).get("real_scans", ())),
        )

    def word(self, patient: str) -> str:
        """Tell what the weights know of a patient."""
        if patient in self.trained:
            return "trained on"
        return "tuned on" if patient in self.tuned else "held out"


def names() -> list[str]:
    """Sources that are whole series."""
    return [name for name in SOURCES if "axial-slices" not in name]


@lru_cache(maxsize=1)
def _spines() -> dict[str, RealSpine]:
    spines = [s for use in USES for s in load_real_spines(use=use)]
    return {s.source: s for s in [*spines, *load_graded_spines()]}


def real_study(source: str, used: Used) -> Study | None:
    """A real CT; None where its data is not at hand."""
    known = SOURCES[source]
    try:
        volume, flags = known.read_as_served(Where())
    except SetupError:
        return None
    spine = _spines().get(source)
    read_by = GRADED_BY if spine and spine.grades else UNREAD if "radiomics" in source else BY_EYE
    traits: dict[str, float | str] = {
        "use": used.word(known.patient),
        "label": read_by,
        "reader": "refused" if set(flags) & REFUSED else "accepted",
    }
    common: dict[str, Any] = {
        "name": source,
        "volume": volume,
        "group": known.patient,
        "traits": traits,
        "reader_flags": tuple(map(str, flags)),
    }
    if spine is None:
        remark = REMARKS.get(source, "crop of a chest; no fracture is known, none was looked for")
        return Study(fractured=False, grade=0, remark=remark, **common)
    grade = max(spine.grades.values(), default=0)
    return Study(
        fractured=grade > 0,
        grade=grade,
        vertebrae=tuple(_moved(v, spine, volume) for v in _vertebrae(spine)),
        levels_mm=_levels_mm(spine),
        centre_line_mm=_canal(spine, volume),
        heights=_mask_heights(spine),
        remark=spine.remark,
        **common,
    )


def _canal(spine: RealSpine, volume: Volume) -> Any:
    """The true canal on the slices that the product's reader kept."""
    first = first_slice(volume, spine.volume)
    return spine.canal_mm[first : first + len(volume.hu)]


def _moved(v: Vertebra, spine: RealSpine, volume: Volume) -> Vertebra:
    """A vertebra of the whole scan, in mm of the part of it that the product's reader kept."""
    down = first_slice(volume, spine.volume) * volume.spacing_mm[0]
    x, y, z = v.centre_mm
    return Vertebra(v.level, (x, y, z - down), v.heights_mm, v.z0_mm - down, v.z1_mm - down, v.grade, v.shape)


def _vertebrae(spine: RealSpine) -> tuple[Vertebra, ...]:
    """Labelled bodies, with their grades where there are any: they name the level of a patch."""
    return _graded(spine) if spine.grades else _bodies(spine)


def _graded(spine: RealSpine) -> tuple[Vertebra, ...]:
    """Graded vertebrae; one that is cut off is placed, though it cannot be measured."""
    assert spine.masks is not None
    labels, spacing = spine.masks.labels, spine.volume.spacing_mm
    canal, _ = complete_canal(spine.canal_mm)
    points = {}
    for level in spine.grades:
        z, y, x = np.nonzero(labels == LEVELS[level])
        in_front = y * spacing[1] < canal[z, 1]  # the body, not the arch
        if in_front.any():
            points[level] = np.array(
                [(axis[in_front] * mm).mean() for axis, mm in zip((x, y, z), spacing[::-1], strict=True)]
            )
    grades = {level: Grade(grade) for level, grade in spine.grades.items()}
    nan = (float("nan"),) * 3
    return tuple(
        Vertebra(v.level, v.centre_mm, v.heights_mm or nan, *v.z_mm, v.verdict.grade or 0, None)
        for v in vertebrae_at(points, grades, labels=labels, spacing_mm=spacing, canal_mm=spine.canal_mm)
    )


def _bodies(spine: RealSpine) -> tuple[Vertebra, ...]:
    """Labelled bodies as unfractured vertebrae."""
    patient = make_patient(spine, {}) if spine.masks is not None else None
    found = []
    for body in patient.bodies if patient else ():
        x, y, z = np.asarray(body.origin).tolist()
        marks = body.landmarks_mm[..., 2]
        anterior, middle, posterior = body.heights_mm.tolist()
        heights = (anterior, middle, posterior)
        found.append(Vertebra(body.level, (x, y, z), heights, float(marks.min()), float(marks.max()), 0, None))
    return tuple(found)


def _levels_mm(spine: RealSpine) -> Mapping[str, tuple[float, float]]:
    """Extent of every label that carries no grade; a vertebra's label has its arch, so bodies come from `_bodies`."""
    if spine.masks is None:
        return {}
    boxes, dz = find_objects(spine.masks.labels), spine.volume.spacing_mm[0]
    return {
        name: (boxes[label - 1][0].start * dz, (boxes[label - 1][0].stop - 1) * dz)
        for name, label in LEVELS.items()
        if name not in GRADED and label <= len(boxes) and boxes[label - 1] is not None
    }


def _mask_heights(spine: RealSpine) -> dict[str, Any]:
    if spine.masks is None:
        return {}
    canal, _ = complete_canal(spine.canal_mm)
    names = {label: level for level, label in spine.levels().items() if level in GRADED}
    points = measure(spine.masks.labels, names, spine.volume.spacing_mm, canal)
    return {LABELS: {level: six.heights_mm for level, six in points.items()}}
