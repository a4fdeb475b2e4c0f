# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from vcf_preprocess.tiling import locations, patch_centres_mm, patch_count


@pytest.mark.parametrize(
    ("length", "k"), [(20, 1), (47.9, 1), (48, 2), (60, 2), (96, 2), (96.1, 3), (420, 9), (700, 15)]
)
def test_patch_count(length, k):
    assert patch_count(length, 48) == k


@pytest.mark.parametrize("length", [48, 60, 96, 97, 133.7, 420, 699.5])
def test_the_column_is_covered_from_end_to_end_with_even_overlap(length):
    centres = patch_centres_mm(10 + length, 10, 48)
    assert centres[0] + 24 == pytest.approx(10 + length)
    assert centres[-1] - 24 == pytest.approx(10)
    stride = -np.diff(centres)
    np.testing.assert_allclose(stride, (length - 48) / (len(centres) - 1))
    assert (stride <= 48 + 1e-9).all()  # no gap between neighbours


def test_a_short_column_has_one_patch_about_its_middle():
    np.testing.assert_allclose(patch_centres_mm(30, 10, 48), [20])


def test_location_runs_from_head_to_feet():
    place = locations(np.array([100.0, 50.0, 0.0]), 100.0, 0.0)
    np.testing.assert_allclose(place, [0, 0.5, 1])


@pytest.mark.parametrize(("length", "k"), [(40, 1), (48, 2), (72, 2), (73, 3), (96, 3), (97, 4), (450, 18)])
def test_patches_that_share_half_of_their_height(length, k):
    """⌈(L − 48)/24⌉ + 1: whatever lies between two centres is seen whole by both patches or in half by each."""
    assert patch_count(length, 48, 0.5) == k
    centres = patch_centres_mm(10 + length, 10, 48, 0.5)
    assert len(centres) == k
    if k > 1:
        assert centres[0] == 10 + length - 24 and centres[-1] == 34
        assert (np.diff(centres) >= -24 - 1e-9).all()


def test_a_long_spine_overlaps_less_rather_than_being_refused():
    assert patch_count(1400, 48) == 30
    assert patch_count(1400, 48, 0.5) == 32
    assert patch_count(1600, 48, 0.5) == 34, "too many even without: the caller refuses it"
