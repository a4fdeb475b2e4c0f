# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from vcf_training import metrics


def test_auc_is_the_share_of_pairs_in_the_right_order() -> None:
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(0, 2, 60), rng.integers(0, 12, 60) / 12  # ties on purpose
    pairs = [1.0 if p > n else 0.5 if p == n else 0.0 for p in scores[labels == 1] for n in scores[labels == 0]]
    assert metrics.roc_auc(labels, scores) == pytest.approx(np.mean(pairs))


def test_auc_needs_both_classes() -> None:
    with pytest.raises(ValueError, match="3 positive and 0 negative"):
        metrics.roc_auc([1, 1, 1], [0.1, 0.2, 0.3])


def test_operating_point_is_the_most_sensitive_that_keeps_the_specificity() -> None:
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 1], 200)
    scores = np.clip(rng.normal(0.4 + 0.2 * labels, 0.1), 0, 1)
    point = metrics.operating_point(labels, scores, specificity=0.95)
    assert point["tuning_specificity"] >= 0.95
    sensitivity, specificity = metrics.rates(labels, scores, point["threshold"])
    assert (sensitivity, specificity) == (point["tuning_sensitivity"], point["tuning_specificity"])
    lower = scores[scores < point["threshold"]].max()
    assert (
        metrics.rates(labels, scores, float(lower))[1] < 0.95
        or metrics.rates(labels, scores, float(lower))[0] == sensitivity
    )


def test_operating_point_of_a_useless_score_calls_nothing() -> None:
    point = metrics.operating_point([0, 1, 0, 1], [0.5, 0.5, 0.5, 0.5])
    assert point["threshold"] > 0.5
    assert point["tuning_specificity"] == 1


def test_alternative_points_are_the_best_of_all_thresholds_by_their_own_rules() -> None:
    """Against a search over the scores themselves, each a threshold."""
    rng = np.random.default_rng(2)
    labels = np.repeat([0, 1], 150)
    scores = np.clip(rng.normal(0.4 + 0.2 * labels, 0.12), 0, 1)
    others = metrics.operating_point(labels, scores)["alternatives"]
    grid = np.append(scores, 2.0)
    both = np.array([metrics.rates(labels, scores, float(t)) for t in grid])
    youden = others["youden"]
    assert youden["tuning_sensitivity"] + youden["tuning_specificity"] == pytest.approx(both.sum(1).max())
    sensitive = others["sensitive"]
    assert sensitive["tuning_sensitivity"] >= 0.9
    assert sensitive["tuning_specificity"] == pytest.approx(both[both[:, 0] >= 0.9, 1].max())
