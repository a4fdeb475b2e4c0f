# SPDX-License-Identifier: Apache-2.0
from dataclasses import fields

import numpy as np
import pytest

from vcf_training.phantom import HELD_OUT_RANGES, TRAINING_RANGES, sample
from vcf_training.phantom.anatomy import LEVELS


def test_same_seed_same_patient_other_seed_another() -> None:
    assert sample(7) == sample(7)
    assert sample(7) != sample(8)


def test_probability_of_fracture_changes_nothing_else() -> None:
    ill, well = sample(5, fracture_probability=1.0), sample(5, fracture_probability=0.0)
    assert any(v.fracture for v in ill.vertebrae)
    assert ill.without_fractures() == well


def test_probability_of_fracture_is_that_of_a_patient() -> None:
    share = np.mean([any(v.fracture for v in sample(s, fracture_probability=0.3).vertebrae) for s in range(300)])
    assert share == pytest.approx(0.3, abs=0.08)


def test_every_grade_shape_and_region_of_the_spine_is_drawn() -> None:
    drawn = [v for s in range(150) for v in sample(s, fracture_probability=1.0).vertebrae if v.fracture]
    assert {v.fracture.grade for v in drawn if v.fracture} == {1, 2, 3}
    assert {v.fracture.shape for v in drawn if v.fracture} == {"wedge", "biconcave", "crush"}
    levels = [v.level for v in drawn]
    assert len(set(levels)) >= 14
    assert levels.count("L1") > levels.count("L5")


def test_fractures_lie_in_the_field_of_view() -> None:
    for seed in range(60):
        spec = sample(seed, fracture_probability=1.0)
        first, last = (LEVELS.index(level) for level in spec.levels)
        assert all(first <= LEVELS.index(v.level) <= last for v in spec.vertebrae if v.fracture)


def test_every_held_out_range_differs_from_the_training_range() -> None:
    same = [
        f.name for f in fields(TRAINING_RANGES) if getattr(TRAINING_RANGES, f.name) == getattr(HELD_OUT_RANGES, f.name)
    ]
    assert same == []


def test_held_out_ranges_reach_beyond_those_of_training() -> None:
    """Training covers what the product accepts of spacing, thickness and blur; of all else it must not see the ends."""
    covered = {"slice_mm", "overlap", "blur_fwhm_mm"}
    inside = set()
    for field in fields(TRAINING_RANGES):
        seen, held = (getattr(ranges, field.name) for ranges in (TRAINING_RANGES, HELD_OUT_RANGES))
        if isinstance(seen, tuple) and seen[0] <= held[0] and held[1] <= seen[1]:
            inside.add(field.name)
    assert inside == covered


@pytest.mark.slow
def test_held_out_patients_are_another_population() -> None:
    def mean(ranges: object, of: object) -> float:
        return float(np.mean([of(sample(s, ranges=ranges)) for s in range(80)]))  # type: ignore[operator,arg-type]

    for quantity in (
        lambda p: p.posture.kyphosis_deg,
        lambda p: p.acquisition.noise_hu,
        lambda p: p.acquisition.spacing_mm[0],
        lambda p: p.age,
        lambda p: -p.vertebra("L1").trabecular_hu,
    ):
        assert mean(HELD_OUT_RANGES, quantity) > mean(TRAINING_RANGES, quantity)


def test_hard_negatives_occur_in_patients_without_fractures() -> None:
    vertebrae = [v for s in range(40) for v in sample(s, fracture_probability=0.0).vertebrae]
    assert any(v.schmorl for v in vertebrae)
    assert any(v.osteophytes for v in vertebrae)
    assert any(max(v.sclerosis_hu) > 0 for v in vertebrae)
    mild = [v for v in vertebrae if v.anterior_mm / v.posterior_mm < 0.87]
    assert mild
    assert all(v.anterior_mm / v.posterior_mm > 0.8 for v in mild)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"kind": "head"}, "kind 'head'"),
        ({"fracture_probability": 1.5}, "1.5"),
        ({"levels": ("L5", "T1")}, "L5–T1"),
        ({"fractures": {"C7": (1, None)}}, "C7"),
        ({"fractures": {"L1": (4, None)}}, "grade is 4"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        sample(1, **arguments)  # type: ignore[arg-type]
