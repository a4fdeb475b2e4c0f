# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from tests.training.masks.conftest import HEIGHT_MM, plain_mask
from vcf_training.masks import Look, rendered
from vcf_training.warp import Patient, Scanner, render, warped_spine
from vcf_training.warp.field import Field, Posture, Wobble
from vcf_training.warp.stretch import sound_heights, stretches


@pytest.fixture(scope="module")
def crushed() -> Patient:
    return rendered(plain_mask({"T11": 12.0}), Look.draw(np.random.default_rng(3)))


def test_a_crushed_body_gets_the_height_of_its_neighbours(crushed: Patient) -> None:
    wanted = sound_heights(crushed, "T11")
    assert wanted.max() == pytest.approx(HEIGHT_MM, rel=0.12)  # by the tables' proportions
    field = Field(np.zeros(3), stretches(crushed), Posture(), Wobble(0, 0.0))
    made = render(crushed, field, Scanner(1.0, 1.0), np.random.default_rng(0))
    found = next(v for v in made.vertebrae if v.level == "T11")
    assert found.grade == 0
    np.testing.assert_allclose(found.heights_mm, wanted, atol=2.0)
    others = [v for v in made.vertebrae if v.level != "T11"]
    assert all(abs(v.heights_mm[0] - HEIGHT_MM) < 1.5 for v in others)
    # The spine above is carried up: the picture is higher by what the body gained.
    gained = made.vertebrae[0].centre_mm[2] - made.vertebrae[-1].centre_mm[2]
    before = crushed.bodies[0].origin[2] - crushed.bodies[-1].origin[2]
    assert gained - before == pytest.approx(wanted.mean() - 12.0, abs=2.5)


def test_twins_as_it_is_and_stretched_back(crushed: Patient) -> None:
    ill, healed = (warped_spine([5], crushed, fracture_probability=0.0, healed=healed) for healed in (False, True))
    assert {v.level: v.grade for v in ill.vertebrae if v.grade} == {"T11": 3}
    assert not any(v.grade for v in healed.vertebrae)


def test_without_a_sound_body_there_is_no_measure(crushed: Patient) -> None:
    all_ill = dict.fromkeys((b.level for b in crushed.bodies), 1)
    patient = Patient(
        "ill", crushed.volume, crushed.canal_mm, crushed.canal_slices, crushed.bodies, frozenset(), all_ill
    )
    with pytest.raises(ValueError, match="no sound body"):
        stretches(patient)
