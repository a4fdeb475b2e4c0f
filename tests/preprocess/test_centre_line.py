# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from vcf_contract.errors import Code, StudyRefused
from vcf_preprocess.centre_line import fit

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


@pytest.mark.parametrize("end", [0, -1])
@pytest.mark.parametrize("off_mm", [(0, 34), (15, 32), (-15, 32)])
def test_a_sharp_bend_at_an_end_is_no_spine(end, off_mm):
    """A step that a chain allows, 35 mm antero-posterior in 30 mm: the line ran straight until there. It is held."""
    centres, confidence = detections()
    wrong = centres.copy()
    wrong[end] = wrong[1 if end == 0 else -2] + off_mm
    line = fit(Z, wrong, confidence, N, DZ)
    held = line.points_mm[:12] if end == 0 else line.points_mm[-12:]
    np.testing.assert_allclose(held[:, :2], np.tile(centres[1 if end == 0 else -2], (12, 1)))
    assert line.flags == (Code.CANAL_EXTRAPOLATED,)


@pytest.mark.parametrize("end", [0, -1])
def test_a_bend_as_spines_have_it_stays(end):
    centres, confidence = detections()
    centres[end, 1] += 0.75 * 30
    line = fit(Z, centres, confidence, N, DZ)
    assert line.points_mm[end, 1] == pytest.approx(centres[end, 1])
    assert line.flags == ()


def test_with_few_slices_nobody_knows_which_one_is_wrong():
    centres, confidence = detections()
    centres[3, 1] -= 34
    line = fit(Z[:4], centres[:4], confidence[:4], 37, DZ)
    assert line.points_mm[-1, 1] == pytest.approx(centres[3, 1])


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


def test_a_line_ends_with_the_slices_that_show_a_body():
    """The first and the last examined slice are the body's: nothing beyond is held, and it is flagged."""
    centres, confidence = detections()
    line = fit(Z[2:-1], centres[2:-1], confidence[2:-1], N, DZ)
    assert (line.first_slice, len(line.points_mm)) == (24, 85)  # 60 to 270 mm
    assert line.flags == (Code.BLANK_SLICES,)


def spine_to_coccyx():
    """Canal of a lordotic lumbar spine over a sacrum: forward going down to L3, backward below, steeply from S1 on."""
    slope = np.array([-0.9, -0.8, -0.45, -0.2, 0.05, 0.2, 0.3, 0.25, 0.2, 0.1])
    y = 240 + np.concatenate([[0], np.cumsum(slope * 30)])
    width = np.array([24, 30, 31, 28, 26, 25, 24, 22, 20, 18, 18.0])
    return np.stack([np.full(11, 180.0), y], -1), width


def test_the_spine_ends_at_the_sacrum():
    centres, width = spine_to_coccyx()
    line = fit(Z, centres, np.full(11, 0.9), N, DZ, width_mm=width)
    # The slope passes −0.6 between 45 mm (−0.8) and 75 mm (−0.45), at 62 mm; L5 may reach 15 mm further down.
    assert line.points_mm[0, 2] == pytest.approx(47.5)
    assert Code.SPINE_SHORTENED in line.flags
    assert fit(Z, centres, np.full(11, 0.9), N, DZ).first_slice == 0, "without widths none is looked for"


def test_a_missed_sacrum_is_not_held_below_l5():
    centres, width = spine_to_coccyx()
    confidence = np.full(11, 0.9)
    confidence[:2] = 0  # S2 and below are not found; from 60 mm on the canal is
    line = fit(Z, centres, confidence, N, DZ, width_mm=width)
    assert line.points_mm[0, 2] == pytest.approx(30.0), "no steep part was seen: held by 30 mm as ever"


@pytest.mark.parametrize("width_mm", [17.0, 30.0])
def test_a_kyphosis_is_no_sacrum(width_mm):
    """Above the apex of a steep kyphosis the canal runs back going down, too; but below it runs forward."""
    slope = np.array([0.5, 0.4, 0.2, 0.0, -0.3, -0.6, -0.8, -0.9, -0.7, -0.4])
    y = 240 + np.concatenate([[0], np.cumsum(slope * 30)])
    centres = np.stack([np.full(11, 180.0), y], -1)
    assert fit(Z, centres, np.full(11, 0.9), N, DZ, width_mm=np.full(11, width_mm)).first_slice == 0


def test_the_upper_half_of_a_kyphosis_is_no_sacrum():
    """A scan that ends at the apex shows no forward part; the canal of the chest is narrow."""
    y = 240 - 0.8 * Z
    centres = np.stack([np.full(11, 180.0), y], -1)
    assert fit(Z, centres, np.full(11, 0.9), N, DZ, width_mm=np.full(11, 18.0)).first_slice == 0
