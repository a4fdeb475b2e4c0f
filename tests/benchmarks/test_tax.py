# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest

from benchmarks.tax import SCORE_WITHIN, Check
from benchmarks.timing import ratio_interval, window_medians


def test_answers_further_off_than_allowed_are_counted() -> None:
    check = Check([0.1, 0.9])
    check.scores([0.1, 0.9])
    check.scores([0.1, 0.9 + SCORE_WITHIN / 2])
    assert (check.answers, check.mistaken) == (2, 0)
    check.scores([0.1 - 2 * SCORE_WITHIN, 0.9])
    check.scores([0.1])
    assert (check.answers, check.mistaken) == (4, 2)
    assert math.isinf(check.largest)


def test_medians_of_consecutive_parts() -> None:
    assert window_medians([1, 2, 3, 10, 20, 30, 5, 5, 5]) == [2, 20, 5]
    assert window_medians([4.0, 6.0]) == [4.0, 6.0]


def test_interval_of_a_ratio_holds_the_true_one() -> None:
    rng = np.random.default_rng(3)
    under = rng.normal(100, 5, 60)
    low, high = ratio_interval(list(1.2 * rng.normal(100, 5, 60)), list(under))
    assert low < 1.2 < high and high - low < 0.1
    low, high = ratio_interval(list(1.2 * under), list(under))
    assert low == pytest.approx(1.2) and high == pytest.approx(1.2)
