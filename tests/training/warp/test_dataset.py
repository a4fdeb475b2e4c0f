# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from tests.training.warp.conftest import PlainSpine
from vcf_training.warp.dataset import warped_spine, warped_spines
from vcf_training.warp.patients import Patient


@pytest.fixture(scope="module")
def patient(plain_spine: PlainSpine) -> Patient:
    return plain_spine.patient(np.where(plain_spine.labels > 0, 200, 40).astype(np.int16))


@pytest.mark.slow
def test_same_seed_same_samples(patient: Patient) -> None:
    first, again, other = (next(warped_spines(seed, 1, patients=[patient])) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.volume.hu, again.volume.hu)
    assert first.vertebrae == again.vertebrae
    assert first.vertebrae != other.vertebrae


@pytest.mark.slow
def test_fractures_only_where_asked(patient: Patient) -> None:
    for probability in (0.0, 1.0):
        for sample in warped_spines(0, 2, patients=[patient], fracture_probability=probability):
            assert sample.patient == "plain"
            assert any(v.grade for v in sample.vertebrae) == bool(probability)
            assert len(sample.centre_line_mm) == len(sample.volume.hu)
            assert 0.9 <= sample.volume.spacing_mm[2] <= 1.1 and 1.0 <= sample.volume.spacing_mm[0] <= 5.0


def test_twins_differ_by_the_fracture_alone(patient: Patient) -> None:
    healthy, ill = (warped_spine(11, patient, fracture_probability=p) for p in (0.0, 1.0))
    assert healthy.volume.spacing_mm == ill.volume.spacing_mm
    broken = [v.level for v in ill.vertebrae if v.grade]
    lowest = min((v for v in ill.vertebrae if v.grade), key=lambda v: v.centre_mm[2])
    same = {v.level: v.heights_mm for v in healthy.vertebrae}
    for v in ill.vertebrae:
        if v.level not in broken and v.centre_mm[2] < lowest.centre_mm[2]:
            np.testing.assert_allclose(v.heights_mm, same[v.level], rtol=0.02)
        elif v.level in broken:
            assert min(np.array(v.heights_mm) / same[v.level]) < 0.85


def test_bad_input_is_refused(patient: Patient) -> None:
    with pytest.raises(ValueError, match="patients is empty"):
        next(warped_spines(0, 1, patients=[]))
    with pytest.raises(ValueError, match=r"1\.5"):
        next(warped_spines(0, 1, patients=[patient], fracture_probability=1.5))


def test_a_ct_too_short_for_any_deformation(patient: Patient) -> None:
    short = Patient("short", patient.volume, patient.canal_mm, (100, 120), patient.bodies, patient.collapsible)
    with pytest.raises(ValueError, match="no deformation of short succeeded"):
        warped_spine(0, short)


@pytest.mark.slow
def test_real_patients_make_samples(real_patients: list[Patient]) -> None:
    for sample in warped_spines(5, 3, patients=real_patients, fracture_probability=1.0):
        assert any(v.grade for v in sample.vertebrae)
        canal = [
            sample.volume.hu[z, round(y / sample.volume.spacing_mm[1]), round(x / sample.volume.spacing_mm[2])]
            for z, (x, y) in enumerate(sample.centre_line_mm)
        ]
        assert -60 < np.median(canal) < 90  # cord and fluid, no bone
