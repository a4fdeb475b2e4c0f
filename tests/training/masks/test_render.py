# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import numpy as np
import pytest

from vcf_training.masks import Look, MaskSpine, rendered
from vcf_training.warp import Patient

LOOK = replace(
    Look.draw(np.random.default_rng(0)),
    trabecular_hu=120.0,
    cortex_hu=600.0,
    cortex_mm=1.5,
    endplate=1.0,
    arch_hu=0.0,
    disc_hu=80.0,
    tissue_hu=40.0,
    grain=0.0,
    blur_mm=0.0,
    real_background=False,
)


def hu_at(patient: Patient, x: float, y: float, z: float) -> float:
    return float(patient.volume.hu[round(z), round(y), round(x)])


def test_marrow_shell_disc_and_canal_lie_where_they_belong(sound_mask: MaskSpine) -> None:
    patient = rendered(sound_mask, LOOK)
    body = patient.bodies[2]
    x, y, z = body.origin
    assert hu_at(patient, x, y, z) == pytest.approx(120, abs=2)
    front = [hu_at(patient, x, y - step, z) for step in range(10, 20)]
    assert max(front) == pytest.approx(600, abs=120)
    upper = float(body.to_scan(np.array([0.0, 0.0, body.upper[1]]))[2])
    assert hu_at(patient, x, y, upper + 3) == pytest.approx(80, abs=15)
    assert hu_at(patient, *patient.canal_mm[round(z)], z) == pytest.approx(30, abs=2)


def test_surfaces_lie_where_the_mask_ends(sound_mask: MaskSpine) -> None:
    """Bone's extent along the body's axes, at half of the marrow's height over its surroundings."""
    patient = rendered(sound_mask, replace(LOOK, cortex_hu=180.0, trabecular_hu=180.0, disc_hu=40.0))
    x, y, z = (round(v) for v in patient.bodies[2].origin)
    bone = patient.volume.hu[:, y, x] > 110
    assert bone[z - 13 : z + 14].sum() == pytest.approx(24, abs=1)
    assert (patient.volume.hu[z, :, x] > 110)[y - 25 : y + 18].sum() == pytest.approx(30, abs=1)


def test_the_same_look_gives_the_same_picture_and_another_another(sound_mask: MaskSpine) -> None:
    one, same, other = (rendered(sound_mask, replace(LOOK, seed=s)).volume.hu for s in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_grades_go_with_the_patient_and_fractured_bodies_are_not_collapsed_again(crushed_mask: MaskSpine) -> None:
    patient = rendered(crushed_mask, LOOK)
    assert patient.grades == {"T11": 3}
    assert "T11" not in patient.collapsible
    assert {"T10", "T12"} <= patient.collapsible


def test_a_real_background_shows_outside_the_spine_and_its_own_bone_does_not(sound_mask: MaskSpine) -> None:
    from vcf_preprocess.geometry import Volume

    hu = np.full((40, 150, 160), -500, np.int16)
    hu[:, 60:130, 60:100] = 900  # the background's own spine
    canal = np.tile((80.0, 100.0), (40, 1))
    lender = Patient("lender", Volume(hu, (3.0, 1.0, 1.0), np.eye(4)), canal, (0, 39), (), frozenset())
    patient = rendered(sound_mask, replace(LOOK, real_background=True), [lender])
    assert patient.volume.hu[:, :5].mean() == pytest.approx(-500, abs=5)
    assert patient.volume.hu.max() < 700


def test_looks_stay_within_their_ranges() -> None:
    looks = [Look.draw(np.random.default_rng(seed)) for seed in range(200)]
    assert all(look.cortex_hu >= look.trabecular_hu + 60 for look in looks)
    assert min(look.cortex_hu for look in looks) < 260  # dull ones are among them
    assert 0.4 < np.mean([look.real_background for look in looks]) < 0.8
