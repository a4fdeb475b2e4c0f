# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from preprocess.aggregate import smooth, study_scores


def test_smoothing_by_hand():
    np.testing.assert_allclose(smooth(np.array([0.0, 1.0, 0.0, 0.2])), [1 / 3, 0.5, 0.3, 0.4 / 3])


@pytest.mark.parametrize("k", [1, 2, 5])
def test_a_constant_stays_constant_up_to_the_ends(k):
    np.testing.assert_allclose(smooth(np.full((2, k), 0.7)), 0.7)


def test_mean_over_members_and_flips_then_smoothing_then_maximum():
    probabilities = np.random.default_rng(0).random((3, 2, 9))
    score, scores, means = study_scores(probabilities)
    np.testing.assert_allclose(means, probabilities.reshape(6, 9).mean(0))
    np.testing.assert_allclose(scores[4], means[3] / 4 + means[4] / 2 + means[5] / 4)
    assert score == scores.max()


def test_smoothing_can_be_switched_off():
    score, scores, means = study_scores([[[0.1, 0.9, 0.2]]], smoothing=None)
    assert score == pytest.approx(0.9)
    np.testing.assert_array_equal(scores, means)


@pytest.mark.parametrize("bad", [np.zeros((3, 2, 0)), np.zeros((3, 4)), np.full((1, 1, 2), np.nan)])
def test_what_is_no_probability_cube_is_refused(bad):
    with pytest.raises(ValueError, match="must"):
        study_scores(bad)
