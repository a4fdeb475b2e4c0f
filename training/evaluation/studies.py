# SPDX-License-Identifier: Apache-2.0
"""The data sets: held-out phantoms, deformed copies of the test patient, real CTs without a fracture, a user's own.

A set is a list of tasks that make one study each when called. Tasks can be pickled, so worker processes make the
studies themselves. Phantoms and deformed copies ship as recipes, not as files: a first seed and ranges give the same
studies everywhere.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import find_objects

from training.data.annotated import AnnotatedStudy
from training.data.datasets import DEFAULT, Options
from training.data.phantoms import PIXEL_MM, RECIPES
from training.data.real_spines import LEVELS, RealSpine, load_real_spines
from training.data.sources import SOURCES, Where
from training.evaluation.baseline import EXACT, LABELS, exact_heights, measured_heights
from training.evaluation.cases import Study
from training.phantom import HELD_OUT_RANGES, Phantom, Vertebra, render, sample
from training.phantom.anatomy import GRADED
from training.real_studies import EVALUATION_SEED
from training.warp import Patient, load_patients, measure, warped_spine
from training.warp.patients import complete_canal, make_patient
from vcf.errors import SetupError, StudyRefused

Task = Callable[[], Study | None]
"""Makes a study; None where it cannot be had."""

PHANTOMS = ("phantom-test", "phantom-unseen")
"""Those of ``training.data.phantoms.RECIPES`` that nothing was trained or tuned on."""
WARPED, REAL = "warped", "real"
NAMES = (*PHANTOMS, WARPED, REAL)
MEANING = {
    "phantom-test": "phantoms from seeds and parameter ranges that training never saw",
    "phantom-unseen": "phantoms of other seeds from the ranges that training saw",
    WARPED: "deformed copies of one real CT of a patient who is in no training, healthy and fractured by turns; each "
    "is a box about the spine with air around it",
    REAL: "real CTs in which no fracture is known",
}


def tasks(data: str, count: int, weights: Path, options: Options = DEFAULT) -> list[Task]:
    """Those of a named set, or those at a path that the weights may be tested on; these and ``real`` have numbers of
    their own.

    Raises
    ------
    SetupError
        If nothing of the set is at hand.
    DataError
        If the data at the path cannot be read, or its annotation does not fit together.
    """
    if data in PHANTOMS:
        first = RECIPES[data].first_seed
        return [partial(phantom_study, data, seed) for seed in range(first, first + count)]
    if data == WARPED:
        _test_patients()
        return [partial(warped_study, number) for number in range(count)]
    if data == REAL:
        return [partial(real_study, name) for name in _volumes()]
    from training.own_data import held_out  # loads TensorFlow

    return [partial(own_study, annotated) for annotated in held_out(data, weights, options)]


def recipe(data: str) -> dict[str, Any]:
    """What the studies of a set are made from, and a hash of the code that makes them: the set itself, in short."""
    root = Path(__file__).parents[1]
    if data in PHANTOMS:
        made = RECIPES[data]
        named = {"first_seed": made.first_seed, "ranges": "held out" if made.ranges is HELD_OUT_RANGES else "training"}
        return named | {"pixel_mm": PIXEL_MM, "generator": _digest(sorted((root / "phantom").glob("*.py")))}
    if data == WARPED:
        return {"first_seed": EVALUATION_SEED, "generator": _digest(sorted((root / "warp").glob("*.py")))}
    return {}


def _digest(code: Sequence[Path]) -> str:
    return hashlib.sha256(b"".join(path.read_bytes() for path in code)).hexdigest()[:16]


def phantom_study(data: str, seed: int) -> Study:
    """A whole body of one of `PHANTOMS`."""
    spec = sample(seed, ranges=RECIPES[data].ranges)
    return of_phantom(render(spec, spacing_mm=(spec.acquisition.spacing_mm[0], PIXEL_MM, PIXEL_MM)))


def of_phantom(phantom: Phantom) -> Study:
    """A rendered phantom as a study."""
    grade = max((v.grade for v in phantom.vertebrae), default=0)
    return Study(
        f"phantom-{phantom.spec.seed}",
        phantom.volume,
        grade > 0,
        grade,
        phantom.vertebrae,
        centre_line_mm=phantom.centre_line_mm,
        heights={EXACT: exact_heights(phantom.vertebrae)} | measured_heights(phantom),
        traits={
            "field of view": phantom.spec.kind,
            "contrast": "yes" if phantom.spec.body.blood_hu > 100 else "no",
        },
        synthetic=True,
    )


@lru_cache(maxsize=1)
def _test_patients() -> list[Patient]:
    patients = load_patients(use="evaluate")
    if not patients:
        raise SetupError("no CT of a test patient is at hand: a network is needed once, or the packages in VCF_CACHE")
    return patients


def warped_study(number: int) -> Study | None:
    """Every second one is the fractured twin of the one before; None for a deformation that the CT is too short for."""
    seed, fractured = EVALUATION_SEED + number // 2, number % 2
    patients = _test_patients()
    patient = patients[seed % len(patients)]
    try:
        made = warped_spine([seed, 0], patient, fracture_probability=float(fractured))
    except ValueError:
        return None
    grade = max((v.grade for v in made.vertebrae), default=0)
    return Study(
        f"warped-{seed - EVALUATION_SEED}{'b' if fractured else 'a'}",
        made.volume,
        grade > 0,
        grade,
        made.vertebrae,
        centre_line_mm=made.centre_line_mm,
        group=f"warped-{seed}",
        heights={EXACT: exact_heights(made.vertebrae)},
        synthetic=True,
    )


def _volumes() -> list[str]:
    """Sources that are whole series."""
    return [name for name in SOURCES if "axial-slices" not in name]


@lru_cache(maxsize=1)
def _spines() -> dict[str, RealSpine]:
    return {s.source: s for use in ("train", "evaluate") for s in load_real_spines(use=use)}


def real_study(source: str) -> Study | None:
    """A real CT; None where its data is not at hand."""
    known = SOURCES[source]
    try:
        spine = _spines().get(source)
        volume = spine.volume if spine else known.read(Where())
    except SetupError:
        return None
    traits: dict[str, float | str] = {"use": "held out" if known.use == "evaluate" else "trained on"}
    remark = spine.remark if spine else "crop of a chest; no fracture is known, none was looked for"
    if spine is None:
        return Study(source, volume, False, 0, traits=traits, remark=remark, group=known.patient)
    return Study(
        source,
        volume,
        False,
        0,
        _bodies(spine),
        _levels_mm(spine),
        spine.canal_mm,
        group=known.patient,
        heights=_mask_heights(spine),
        traits=traits,
        remark=remark,
    )


def _levels_mm(spine: RealSpine) -> dict[str, tuple[float, float]]:
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


def _bodies(spine: RealSpine) -> tuple[Vertebra, ...]:
    """Labelled bodies as unfractured vertebrae: they name the level of a patch."""
    patient = make_patient(spine, {}) if spine.masks is not None else None
    found = []
    for body in patient.bodies if patient else ():
        x, y, z = np.asarray(body.origin).tolist()
        marks = body.landmarks_mm[..., 2]
        anterior, middle, posterior = body.heights_mm.tolist()
        heights = (anterior, middle, posterior)
        found.append(Vertebra(body.level, (x, y, z), heights, float(marks.min()), float(marks.max()), 0, None))
    return tuple(found)


def own_study(annotated: AnnotatedStudy) -> Study:
    """A study of a user's own data; a CT that the reader refuses is a study too, one that could not be processed."""
    known = Study(
        annotated.key,
        None,
        annotated.fractured,
        annotated.grade,
        group=annotated.patient,
        synthetic=annotated.synthetic,
    )
    try:
        scan = annotated.load()
    except StudyRefused as refusal:
        return replace(known, refusal=refusal)
    heights = {v.level: v.heights_mm for v in scan.vertebrae if v.heights_mm is not None}
    unknown = (float("nan"),) * 3
    return replace(
        known,
        volume=scan.volume,
        vertebrae=tuple(
            Vertebra(v.level, v.centre_mm, v.heights_mm or unknown, *v.z_mm, v.verdict.grade or 0, v.verdict.shape)
            for v in scan.vertebrae
        ),
        centre_line_mm=scan.canal_mm,
        heights={LABELS: heights} if heights else {},
    )
