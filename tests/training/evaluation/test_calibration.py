# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from vcf_training.evaluation.calibration import calibration, predictive_values
from vcf_training.evaluation.intervals import Estimate


def test_by_hand() -> None:
    """Two bins: 4 studies at 0.25 of which 1 is fractured, 2 at 0.75 of which both are."""
    found = calibration([1, 0, 0, 0, 1, 1], [0.25] * 4 + [0.75] * 2, bins=2)
    assert [b.studies for b in found.bins] == [4, 2]
    assert [b.fractured.value for b in found.bins] == [0.25, 1.0]
    assert found.expected_error == pytest.approx(2 / 6 * 0.25)
    assert found.brier == pytest.approx((0.75**2 + 3 * 0.25**2 + 2 * 0.25**2) / 6)
    assert found.brier_of_prevalence == pytest.approx(0.25)


def test_scores_that_are_probabilities_have_little_error_and_pushed_ones_more() -> None:
    rng = np.random.default_rng(0)
    p = rng.uniform(size=20_000)
    labels = rng.uniform(size=p.size) < p
    assert calibration(labels, p).expected_error < 0.02
    assert calibration(labels, p**3).expected_error > 0.2


def test_brier_is_scikit_learns() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(1)
    p, labels = rng.uniform(size=99), rng.integers(0, 2, 99)
    assert calibration(labels, p).brier == pytest.approx(metrics.brier_score_loss(labels, p))


def test_a_score_of_one_lies_in_the_last_bin_and_one_above_is_refused() -> None:
    assert calibration([1], [1.0]).bins[0].high == 1.0
    with pytest.raises(ValueError, match="between 0 and 1"):
        calibration([1], [1.1])


def test_predictive_values_are_shares_of_a_counted_population() -> None:
    """1,000 people, 10 % fractured, sensitivity 0.8, specificity 0.9: 80 + 90 called, 20 + 810 passed."""
    ((share, ppv, npv),) = predictive_values(Estimate(0.8, 0.7, 0.9), Estimate(0.9, 0.8, 1.0), [0.1])
    assert share == 0.1
    assert ppv.value == pytest.approx(80 / 170)
    assert npv.value == pytest.approx(810 / 830)
    assert ppv.low == pytest.approx(70 / 250)
    assert ppv.high == 1
