# SPDX-License-Identifier: Apache-2.0
import json

import numpy as np
import pytest

from vcf_preprocess.aggregate import AGGREGATIONS, NOT_LEARNED, Aggregation, smooth, study_scores


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
    score, scores, means = study_scores([[[0.1, 0.9, 0.2]]], aggregation=Aggregation(smoothing=None))
    assert score == pytest.approx(0.9)
    np.testing.assert_array_equal(scores, means)


def test_scores_are_averaged_after_each_members_own_maximum():
    """The second member has learned its F_agg, the first takes the largest of its smoothed probabilities."""
    probabilities = np.random.default_rng(1).random((2, 2, 6))
    learned = [[NOT_LEARNED, NOT_LEARNED], [0.2, 0.9]]
    score, scores, means = study_scores(probabilities, learned, Aggregation("scores"))
    own = [smooth(probabilities[0, flip]).max() for flip in (0, 1)]
    assert score == pytest.approx((sum(own) + 0.2 + 0.9) / 4)
    np.testing.assert_allclose(scores, smooth(probabilities.mean((0, 1))))
    np.testing.assert_allclose(means, probabilities.mean((0, 1)))
    patches_first = study_scores(probabilities, learned, Aggregation("patches")).study_score
    assert patches_first == pytest.approx(scores.max())


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_many_ensembles_at_once_score_as_one_by_one(aggregation):
    rng = np.random.default_rng(2)
    probabilities = rng.random((4, 3, 2, 7))
    learned = np.where(rng.random((4, 3, 2)) < 0.5, NOT_LEARNED, rng.random((4, 3, 2)))
    together = study_scores(probabilities, learned, aggregation)
    for i in range(4):
        alone = study_scores(probabilities[i], learned[i], aggregation)
        for many, one in zip(together, alone, strict=True):
            np.testing.assert_allclose(many[i], one)


def test_an_aggregation_is_read_back_as_it_was_written():
    for aggregation in (*AGGREGATIONS, Aggregation(smoothing=(0.1, 0.2, 0.4, 0.2, 0.1))):
        assert Aggregation.of(json.loads(json.dumps(aggregation.plain()))) == aggregation
    assert Aggregation.of({}) == Aggregation()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"order": "members"}, "one of patches, scores"),
        ({"smoothing": [1, 1]}, "an odd number"),
        ({"smoothing": [1, 0, 1]}, "positive"),
        ({"overlap": 0.8}, "a share from 0 to 0.75"),
    ],
)
def test_there_is_no_such_aggregation(given, words):
    with pytest.raises(ValueError, match=words):
        Aggregation.of(given)


@pytest.mark.parametrize("learned", [np.zeros((2, 2)), np.full((1, 1), np.nan)])
def test_study_probabilities_that_do_not_fit_are_refused(learned):
    with pytest.raises(ValueError, match="must"):
        study_scores(np.zeros((1, 1, 3)), learned)


@pytest.mark.parametrize("bad", [np.zeros((3, 2, 0)), np.zeros((3, 4)), np.full((1, 1, 2), np.nan)])
def test_what_is_no_probability_cube_is_refused(bad):
    with pytest.raises(ValueError, match="must"):
        study_scores(bad)
