# SPDX-License-Identifier: Apache-2.0
"""Studies made of what real patients lend: deformed CTs, and vertebra masks rendered; drawn once, kept in the cache.

Phantoms alone would teach what rendered bone looks like. Real CTs without fractures alone would teach that real bone
is never fractured. Twins of one deformed CT, healthy and ill, teach neither. Twins of a mask with real fractures, as it
is and with its bodies stretched back, teach what a real fracture's shape is.
"""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from vcf_training.code_digest import code_digest
from vcf_training.data.graded_spines import load_graded_spines
from vcf_training.data.sources import Use
from vcf_training.drawn import load_drawn
from vcf_training.masks import Look, MaskSpine, load_mask_spines, rendered
from vcf_training.studies import Studies
from vcf_training.views import Crop, preparation_code, view
from vcf_training.warp import Patient, WarpedSpine, load_patients, warped_spine
from vcf_training.warp.patients import graded_patient, known_vertebrae

log = logging.getLogger(__name__)
Done = Callable[[int, int], None]
EVALUATION_SEED, TUNING_SEED = 900_000, 500_000
_FIRST = {"train": 0, "tune": TUNING_SEED, "evaluate": EVALUATION_SEED}
MIN_SHARE = 4
"""A CT without marked bodies is drawn as often as one with so many."""

_patients: list[Patient] = []
_spines: list[MaskSpine] = []


def load_warped(
    samples: int,
    views: int,
    cache: Path,
    *,
    crop: Crop = Crop(),  # noqa: B008 (immutable)
    shared_data: Path | None = None,
    packages: Path | None = None,
    use: Use = "train",
    workers: int = 2,
    done: Done = lambda *_: None,
) -> Studies | None:
    """Twins of ``samples`` deformations, each seen ``views`` times; None where no CT is at hand.

    CTs in which no body is marked are there too, unfractured. ``use="evaluate"`` deforms the test patient, who is in no
    training; ``tune`` those patients that training leaves out.
    """
    if not samples:
        return None
    path = cache / f"warped-{_digest('warp', (samples, views, crop, use, shared_data is not None))}.npz"
    tasks = [(_FIRST[use] + number, views, crop) for number in range(samples)]
    given = shared_data, packages, use
    studies = load_drawn(path, _draw_warped, tasks, prepare=_prepare_patients, given=given, workers=workers, done=done)
    if not len(studies):
        log.warning("no real CT at hand: members learn from phantoms alone")
        return None
    return studies


def load_rendered(
    samples: int,
    views: int,
    cache: Path,
    *,
    crop: Crop = Crop(),  # noqa: B008 (immutable)
    shared_data: Path | None = None,
    packages: Path | None = None,
    use: Use = "train",
    workers: int = 2,
    done: Done = lambda *_: None,
) -> Studies | None:
    """Twins of ``samples`` renderings of masks, each seen ``views`` times; None where no mask is at hand.

    A mask with real fractures is seen as it is and stretched back, one without is deformed as a CT would be.
    """
    if not samples:
        return None
    path = cache / f"rendered-{_digest('masks', (samples, views, crop, use))}.npz"
    tasks = [(_FIRST[use] + number, views, crop) for number in range(samples)]
    given = shared_data, packages, use
    studies = load_drawn(path, _draw_rendered, tasks, prepare=_prepare_spines, given=given, workers=workers, done=done)
    if not len(studies):
        log.warning("no mask of a spine at hand: members learn without rendered ones")
        return None
    return studies


def load_unchanged(
    views: int,
    cache: Path,
    *,
    crop: Crop = Crop(),  # noqa: B008 (immutable)
    shared_data: Path | None = None,
    packages: Path | None = None,
    use: Use = "train",
    workers: int = 1,
    done: Done = lambda *_: None,
) -> Studies | None:
    """Every real CT as it is, seen ``views`` times with other fields of view; None where none is at hand.

    Those that train show no fracture. Those that tune are graded ones of VerSe too, whose bodies teach nothing.
    """
    if not views:
        return None
    path = cache / f"unchanged-{_digest('data', (views, crop, use, shared_data is not None))}.npz"
    tasks, given = [(number, crop) for number in range(views)], (shared_data, packages, use)
    studies = load_drawn(
        path, _draw_unchanged, tasks, prepare=_prepare_unchanged, given=given, workers=workers, done=done
    )
    return studies if len(studies) else None


def patients_of(studies: Studies) -> list[str]:
    """Tell which patients lend a CT or a mask to studies, sorted: an evaluation must know them."""
    named = (name.partition("-") for name in studies.name.tolist())
    return sorted({rest.rpartition("-")[0] for kind, _, rest in named if kind in ("real", "warp", "render")})


def _prepare_unchanged(shared_data: Path | None, packages: Path | None, use: Use) -> None:
    _patients[:] = load_patients(shared_data, packages, use, unmarked=True)
    if use == "tune":
        _patients.extend(map(graded_patient, load_graded_spines(shared_data)))


def _draw_unchanged(task: tuple[int, Crop]) -> list[Studies]:
    number, crop = task
    drawn: list[Studies] = []
    for patient in _patients:
        seen = WarpedSpine(patient.volume, patient.canal_mm, known_vertebrae(patient), patient.name)
        drawn += _seen(seen, f"real-{patient.name}-{number}", number, 1, crop)
    return drawn


def _prepare_patients(shared_data: Path | None, packages: Path | None, use: Use) -> None:
    _patients[:] = load_patients(shared_data, packages, use, unmarked=use == "train")


def _prepare_spines(shared_data: Path | None, packages: Path | None, use: Use) -> None:
    _spines[:] = load_mask_spines(shared_data, use)
    _patients[:] = load_patients(shared_data, packages, use, unmarked=True)


def _draw_warped(task: tuple[int, int, Crop]) -> list[Studies]:
    number, views, crop = task
    if not _patients:
        return []
    share = np.sqrt([max(MIN_SHARE, len(p.collapsible)) for p in _patients])
    patient = _patients[np.random.default_rng([number, 1]).choice(len(_patients), p=share / share.sum())]
    return _twins(number, patient, views, crop, "warp")


def _draw_rendered(task: tuple[int, int, Crop]) -> list[Studies]:
    number, views, crop = task
    if not _spines:
        return []
    spine = _spines[number % len(_spines)]
    look = Look.draw(np.random.default_rng([number, 2]))
    return _twins(number, rendered(spine, look, _patients), views, crop, "render")


def _twins(number: int, patient: Patient, views: int, crop: Crop, kind: str) -> list[Studies]:
    """A patient with and without fractures: own ones and their like stretched back, or made ones and none."""
    drawn: list[Studies] = []
    own = bool(patient.grades)
    sound = any(not patient.grades.get(body.level) for body in patient.bodies)
    for fractured in (False, True):
        if (fractured and not own and not patient.collapsible) or (own and not fractured and not sound):
            continue
        try:
            made = warped_spine(
                [number, 0],
                patient,
                fracture_probability=float(fractured and not own),
                healed=own and not fractured,
            )
        except ValueError as error:  # a short CT that no drawn deformation fits
            log.info("deformation %d left out: %s", number, error)
            continue
        drawn += _seen(made, f"{kind}-{patient.name}-{number}", number, views, crop)
    return drawn


def _seen(made: WarpedSpine, name: str, number: int, views: int, crop: Crop) -> Sequence[Studies]:
    rng = np.random.default_rng([number, 77])  # the same for both twins: same fields of view
    volume = made.volume
    seen = (
        view(volume.hu, volume.spacing_mm, made.centre_line_mm, made.vertebrae, f"{name}.{i}", rng, crop=crop)
        for i in range(views)
    )
    return [study for study in seen if study is not None]


def _digest(source: str, description: object) -> str:
    root = Path(__file__).parent
    folders = {"warp"} | {source}
    code = [Path(__file__), root / "views.py", *preparation_code()]
    for folder in sorted(folders):
        code += [*root.glob(f"{folder}/*.py"), *root.glob(f"{folder}/*.csv")]
    return code_digest(code, description)
