# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from vcf_training.evaluation.plots import roc_points
from vcf_training.metrics import roc_auc


def test_area_under_the_drawn_curve_is_the_area() -> None:
    """Ties on purpose: equal scores are one slanted step."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 80)
    scores = rng.integers(0, 10, 80) + 2 * labels
    false, true = roc_points(labels, scores)
    area = ((true[1:] + true[:-1]) / 2 * np.diff(false)).sum()
    assert area == pytest.approx(roc_auc(labels, scores))
    assert (false[0], true[0], false[-1], true[-1]) == (0, 0, 1, 1)
