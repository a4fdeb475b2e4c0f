# SPDX-License-Identifier: Apache-2.0
"""Studies made of real patients who are in no training: deformed CTs (`warped`), and masks with real fractures
(`rendered`), each seen in ``LOOKS`` ways as it is and with its fractures stretched back."""

from functools import lru_cache

import numpy as np

from vcf_contract.errors import SetupError
from vcf_training.data.graded_spines import load_graded_spines
from vcf_training.evaluation.baseline import EXACT, exact_heights
from vcf_training.evaluation.cases import Study
from vcf_training.masks import Look, MaskSpine, load_mask_spines, rendered
from vcf_training.real_studies import EVALUATION_SEED
from vcf_training.warp import Patient, WarpedSpine, load_patients, warped_spine
from vcf_training.warp.patients import graded_patient

LOOKS = 5


@lru_cache(maxsize=1)
def test_patients() -> list[Patient]:
    """CTs without a fracture that nothing learnt from; some of them choose steps and thresholds.

    Raises
    ------
    SetupError
        If none is at hand.
    """
    sound = [graded_patient(spine) for spine in load_graded_spines() if not any(spine.grades.values())]
    patients = [p for p in [*load_patients(use="evaluate"), *load_patients(use="tune"), *sound] if p.collapsible]
    if not patients:
        raise SetupError("no CT of a test patient is at hand: a network is needed once, or the packages in VCF_CACHE")
    return patients


@lru_cache(maxsize=1)
def test_masks() -> list[MaskSpine]:
    """Masks with real fractures that nothing learnt from.

    Raises
    ------
    SetupError
        If none is at hand.
    """
    spines = [spine for spine in load_mask_spines(use="tune") if spine.grades]
    if not spines:
        raise SetupError("no mask with fractures is at hand: set VCF_SHARED_DATA to the folder of development data")
    return spines


def warped_study(number: int) -> Study | None:
    """Every second one is the fractured twin of the one before; None for a deformation that the CT is too short for."""
    seed, fractured = EVALUATION_SEED + number // 2, number % 2
    patients = test_patients()
    patient = patients[seed % len(patients)]
    try:
        made = warped_spine([seed, 0], patient, fracture_probability=float(fractured))
    except ValueError:
        return None
    return _study(made, f"warped-{seed - EVALUATION_SEED}{'b' if fractured else 'a'}", f"warped-{seed}")


def rendered_count() -> int:
    """Tell how many studies of `rendered_study` there are."""
    return 2 * LOOKS * len(test_masks())


def rendered_study(number: int) -> Study | None:
    """Looks of all masks by turns; every second one is the one before with its fractures stretched back.

    None where no body of the mask is sound, so that nothing says how high the others were.
    """
    spines, (pair, healed) = test_masks(), divmod(number, 2)
    spine, seed = spines[pair % len(spines)], EVALUATION_SEED + pair
    patient = rendered(spine, Look.draw(np.random.default_rng([seed, 2])))
    try:
        made = warped_spine([seed, 0], patient, fracture_probability=0.0, healed=bool(healed))
    except ValueError:
        return None
    return _study(made, f"{spine.name}-{pair // len(spines)}{'-stretched-back' if healed else ''}", spine.name)


def _study(made: WarpedSpine, name: str, group: str) -> Study:
    grade = max((v.grade for v in made.vertebrae), default=0)
    return Study(
        name,
        made.volume,
        grade > 0,
        grade,
        made.vertebrae,
        centre_line_mm=made.centre_line_mm,
        group=group,
        heights={EXACT: exact_heights(made.vertebrae)},
        traits={"patient": made.patient},
        synthetic=True,
    )
