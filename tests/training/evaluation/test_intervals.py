# SPDX-License-Identifier: Apache-2.0
"""DeLong and its company against the published example, the definition and the bootstrap."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from vcf_training.evaluation import intervals

NORMAL, ABNORMAL = (33, 6, 6, 11, 2), (3, 2, 2, 11, 33)
"""109 CT images rated 1 to 5: Hanley & McNeil, Radiology 1982;143:29, Table I."""


def hanley() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    labels = np.repeat([0, 1], (sum(NORMAL), sum(ABNORMAL)))
    scores = np.concatenate([np.repeat(np.arange(1, 6), counts) for counts in (NORMAL, ABNORMAL)])
    return labels, scores


def kernel_by_definition(labels: NDArray[np.int64], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """(positives, negatives): 1 where a pair is in order, ½ where it is tied."""
    positive, negative = scores[labels == 1][:, None], scores[labels == 0][None]
    return (positive > negative) + 0.5 * (positive == negative)


def test_published_example_has_its_published_area_and_standard_error() -> None:
    """Stata's manual, `roctab`, on the same data: area 0.8932, standard error 0.0307, 0.83295 to 0.95339."""
    found = intervals.auc(*hanley())
    assert found.value == pytest.approx(0.8932, abs=5e-5)
    assert (found.high - found.low) / 2 / norm.ppf(0.975) == pytest.approx(0.0307, abs=5e-5)
    assert found.interval == pytest.approx([0.83295, 0.95339], abs=1e-5)


def test_variance_from_the_area_alone_is_the_published_one() -> None:
    """Hanley & McNeil give a standard error of 0.032 for an area of 0.893."""
    assert np.sqrt(intervals.hanley_mcneil_variance(0.893, 51, 58)) == pytest.approx(0.032, abs=1e-3)


def test_covariance_of_two_scores_is_that_of_the_structural_components() -> None:
    """DeLong 1988, equations 4 to 7, written out over all pairs; ties on purpose."""
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.repeat([0, 1], (40, 25)))
    first = rng.integers(0, 9, 65) + 2.0 * labels
    second = first + rng.integers(-3, 4, 65)
    areas, covariance = intervals.delong(labels, first, second)
    kernels = [kernel_by_definition(labels, s) for s in (first, second)]
    assert areas == pytest.approx([k.mean() for k in kernels])
    expected = np.empty((2, 2))
    for i, a in enumerate(kernels):
        for j, b in enumerate(kernels):
            s10 = ((a.mean(1) - a.mean()) * (b.mean(1) - b.mean())).sum() / (len(a) - 1)
            s01 = ((a.mean(0) - a.mean()) * (b.mean(0) - b.mean())).sum() / (a.shape[1] - 1)
            expected[i, j] = s10 / len(a) + s01 / a.shape[1]
    assert covariance == pytest.approx(expected)


def test_delong_and_bootstrap_agree_on_many_studies() -> None:
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 1], 150)
    scores = rng.normal(labels * 1.3, 1.0)
    found = intervals.auc(labels, scores)
    drawn = intervals.bootstrap_auc(labels, scores, range(300), samples=1000)
    assert drawn == pytest.approx(found.interval, abs=0.012)


def test_interval_covers_the_true_area_as_often_as_it_says() -> None:
    true = norm.cdf(1.0 / np.sqrt(2))  # of two normals one standard deviation apart
    labels = np.repeat([0, 1], 60)
    rng = np.random.default_rng(2)
    inside = 0
    for _ in range(400):
        found = intervals.auc(labels, rng.normal(labels, 1.0))
        inside += found.low <= true <= found.high
    assert 0.92 <= inside / 400 <= 0.98


def test_a_score_does_not_differ_from_itself_nor_from_its_order() -> None:
    labels, scores = hanley()
    same = intervals.auc_difference(labels, scores, scores**3)
    assert same.estimate.value == 0
    assert same.p_value == 1


def test_difference_is_found_where_it_is_and_its_sign_says_which_is_larger() -> None:
    rng = np.random.default_rng(3)
    labels = np.repeat([0, 1], 200)
    good, poor = rng.normal(2.0 * labels, 1.0), rng.normal(0.5 * labels, 1.0)
    found = intervals.auc_difference(labels, good, poor)
    assert found.estimate.low > 0
    assert found.p_value < 1e-6
    back = intervals.auc_difference(labels, poor, good)
    assert back.estimate.value == -found.estimate.value


def test_wholly_separate_classes_still_have_an_interval_that_shrinks_with_the_studies() -> None:
    few = intervals.auc([0] * 5 + [1] * 5, np.arange(10.0))
    many = intervals.auc([0] * 100 + [1] * 100, np.arange(200.0))
    assert few.value == many.value == few.high == many.high == 1
    assert 0.5 < few.low < many.low < 1


@pytest.mark.parametrize(("method", "low", "high"), [("wilson", 0.2553, 0.3662), ("exact", 0.2527, 0.3676)])
def test_proportion_of_the_published_example(method: str, low: float, high: float) -> None:
    """81 of 263: Newcombe, Stat Med 1998;17:857, Table I, methods 3 and 5."""
    found = intervals.proportion(81, 263, method)  # type: ignore[arg-type]
    assert found is not None
    assert found.interval == pytest.approx([low, high], abs=5e-5)


def test_a_share_of_nothing_is_none() -> None:
    assert intervals.proportion(0, 0) is None


def test_groups_are_drawn_together() -> None:
    """Copies of one study add nothing: the interval of 4 groups is as wide with 1 copy of each as with 25."""
    values = np.array([0.0, 1.0, 2.0, 3.0])
    alone = intervals.bootstrap(lambda i: values[i].mean(), range(4))
    copied = np.repeat(values, 25)
    together = intervals.bootstrap(lambda i: copied[i].mean(), np.repeat(range(4), 25).tolist())
    assert together == pytest.approx(alone)
    apart = intervals.bootstrap(lambda i: copied[i].mean(), range(100))
    assert apart[1] - apart[0] < 0.5 * (together[1] - together[0])


def test_one_study_of_a_class_is_too_few() -> None:
    with pytest.raises(ValueError, match="1 positive and 3 negative"):
        intervals.auc([1, 0, 0, 0], [0.5, 0.1, 0.2, 0.3])
