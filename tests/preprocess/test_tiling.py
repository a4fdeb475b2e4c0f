# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from preprocess.tiling import locations, patch_centres_mm, patch_count


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
