# SPDX-License-Identifier: Apache-2.0
import math

import pytest

from vcf_training.schedule import learning_rate


def test_it_rises_over_a_twentieth_and_falls_along_a_cosine() -> None:
    rates = [learning_rate(step, 1000, 2e-3) for step in range(1000)]
    assert rates[0] == pytest.approx(2e-3 / 50) and rates[49] == pytest.approx(2e-3) == max(rates)
    assert rates[:50] == sorted(rates[:50]) and rates[50:] == sorted(rates[50:], reverse=True)
    half_way = 50 + 475
    assert rates[half_way] == pytest.approx(2e-3 * (0.01 + 0.99 / 2))
    assert rates[-1] == pytest.approx(2e-5, rel=0.01)


@pytest.mark.parametrize("steps", [1, 2, 19, 20, 21])
def test_short_trainings_have_a_rate_at_every_step(steps: int) -> None:
    assert all(0 < learning_rate(step, steps, 1.0) <= 1 for step in range(steps))
    assert not any(map(math.isnan, (learning_rate(step, steps, 1.0) for step in range(steps + 1))))


def test_a_constant_rate_is_the_peak_throughout() -> None:
    assert {learning_rate(step, 100, 1e-5, constant=True) for step in range(100)} == {1e-5}
