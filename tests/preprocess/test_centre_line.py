# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from preprocess.centre_line import fit
from vcf.errors import Code, StudyRefused

N, DZ = 121, 2.5  # 300 mm
Z = np.arange(0, 301, 30.0)


def detections():
    centres = np.stack([180 + Z / 30, 240 + 20 * np.sin(Z / 120)], -1)
    return centres, np.full(len(Z), 0.9)


def test_clean_detections_are_joined_linearly():
    centres, confidence = detections()
    line = fit(Z, centres, confidence, N, DZ)
    assert line.first_slice == 0
    assert line.flags == ()
    heights = np.arange(N) * DZ
    for axis in (0, 1):
        np.testing.assert_allclose(line.points_mm[:, axis], np.interp(heights, Z, centres[:, axis]))
    np.testing.assert_allclose(line.points_mm[:, 2], heights)


@pytest.mark.parametrize("outlier", [1, 4, 5, 9])
@pytest.mark.parametrize("off_mm", [(120, 0), (0, -90), (-60, 60)])
def test_an_outlier_is_replaced_by_its_neighbours(outlier, off_mm):
    centres, confidence = detections()
    wrong = centres.copy()
    wrong[outlier] += off_mm
    line = fit(Z, wrong, confidence, N, DZ)
    at = np.round(Z / DZ).astype(int)
    expected = np.interp(Z[outlier], np.delete(Z, outlier), np.delete(centres[:, 1], outlier))
    assert line.points_mm[at[outlier], 1] == pytest.approx(expected)
    assert Code.CANAL_INTERPOLATED in line.flags


def test_two_agreeing_outliers_do_not_outvote_the_spine():
    centres, confidence = detections()
    centres[[4, 5]] += [100, -80]
    line = fit(Z, centres, confidence, N, DZ)
    assert np.abs(line.points_mm[:, 0] - 185).max() < 10


def test_unsure_boxes_are_dropped():
    centres, confidence = detections()
    centres[3] += 10
    confidence[3] = 0.29
    line = fit(Z, centres, confidence, N, DZ)
    assert line.points_mm[36, 0] == pytest.approx(183.0)
    assert line.flags == (Code.CANAL_INTERPOLATED,)


def test_missed_ends_are_held_for_30_mm_and_flagged():
    centres, confidence = detections()
    confidence[[0, 1, -1]] = 0.1
    line = fit(Z, centres, confidence, N, DZ)
    assert line.first_slice == 12  # 60 mm is the first hit, so the line begins at 30 mm
    assert len(line.points_mm) == N - 12
    np.testing.assert_allclose(line.points_mm[:12, 0], centres[2, 0])
    np.testing.assert_allclose(line.points_mm[-12:, 1], centres[-2, 1])
    assert set(line.flags) == {Code.CANAL_EXTRAPOLATED, Code.SPINE_SHORTENED}


def test_a_gap_over_90_mm_ends_the_spine():
    centres, confidence = detections()
    confidence[[2, 3, 4]] = 0.0  # from 30 mm to 150 mm nothing
    line = fit(Z, centres, confidence, N, DZ)
    assert line.first_slice * DZ == 120
    assert Code.SPINE_SHORTENED in line.flags


def test_a_last_slice_close_to_its_neighbour_may_differ_by_the_detectors_error():
    z = np.array([0, 30, 60, 90, 91.0])
    centres = np.array([[100, 100], [100, 100], [100, 100], [100, 100], [103, 97.0]])
    assert fit(z, centres, np.ones(5), 92, 1.0).flags == ()


@pytest.mark.parametrize("hits", [0, 1, 2, 5])
def test_too_few_hits_are_refused_with_the_numbers(hits):
    centres, confidence = detections()
    confidence[hits:] = 0.0
    with pytest.raises(StudyRefused) as refused:
        fit(Z, centres, confidence, N, DZ)
    assert refused.value.code is Code.SPINE_NOT_FOUND
    assert f"{hits} of 11" in str(refused.value)


def test_scattered_boxes_are_no_spine():
    rng = np.random.default_rng(0)
    with pytest.raises(StudyRefused, match="SPINE_NOT_FOUND"):
        fit(Z, rng.uniform(0, 400, (len(Z), 2)), np.ones(len(Z)), N, DZ)
