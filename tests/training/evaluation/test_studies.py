# SPDX-License-Identifier: Apache-2.0
"""The sets of an evaluation: what they bring, and what they must not share."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow")
from vcf_contract.errors import Code, StudyRefused
from vcf_training.evaluation import examine as examining
from vcf_training.evaluation.cases import Study
from vcf_training.evaluation.studies import NAMES, PHANTOMS, of_phantom, own_study, recipe, tasks
from vcf_training.phantom import Phantom, nominal, render


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return render(nominal(levels=("T10", "L3")), spacing_mm=(4.0, 2.0, 2.0), region="spine")


@pytest.fixture(scope="module")
def study(phantom: Phantom) -> Study:
    return of_phantom(phantom)


def test_noise_is_the_phantoms() -> None:
    """White noise on soft tissue: the commonest spread of 7 mm windows is its standard deviation."""
    from vcf_preprocess.geometry import Volume

    rng = np.random.default_rng(0)
    hu = np.rint(rng.normal(50, 12, (12, 128, 128))).astype(np.int16)
    assert examining.noise_hu(Volume(hu, (5.0, 1.0, 1.0), np.eye(4))) == pytest.approx(12, abs=1.5)
    assert np.isnan(examining.noise_hu(Volume(np.full_like(hu, -1000), (5.0, 1.0, 1.0), np.eye(4))))


def test_a_phantom_brings_its_truth_and_both_kinds_of_heights(phantom: Phantom, study: Study) -> None:
    assert study.fractured is False
    assert [v.level for v in study.vertebrae] == [v.level for v in phantom.vertebrae]
    assert set(study.heights) == {"labels", "coverage", "exact"}


def test_own_data_keeps_its_patient_and_a_refused_ct_is_a_study_too() -> None:
    def refuse() -> None:
        raise StudyRefused(Code.SLICE_TOO_THICK, "slices of 7 mm")

    annotated: Any = SimpleNamespace(key="k", patient="p", fractured=True, grade=2, synthetic=False, load=refuse)
    made = own_study(annotated)
    found = examining.examine(made, None)  # type: ignore[arg-type]
    assert (found.group, found.refused, found.grade) == ("p", "SLICE_TOO_THICK", 2)


def test_the_sets_share_no_patient_with_training_or_tuning() -> None:
    from vcf_training import dataset
    from vcf_training.presets import PRESETS

    used = [
        range(made.first_seed, made.first_seed + made.patients)
        for preset in PRESETS.values()
        for made in (
            dataset.training_set(preset.member.phantoms, preset.member.views),
            dataset.tuning_set(preset.member.tuning_phantoms),
        )
    ]
    for name in PHANTOMS:
        first_seed = recipe(name)["first_seed"]
        assert not any(seed in seeds for seeds in used for seed in range(first_seed, first_seed + 1000))


def test_recipe_names_all_that_makes_the_set() -> None:
    """The set ships as a recipe: seeds, ranges and a hash of the generator's code."""
    made = recipe("phantom-test")
    assert made["ranges"] == "held out"
    assert len(made["generator"]) == 16
    assert len(tasks("phantom-test", 7, Path())) == 7
    assert "phantom-test" in NAMES
