# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from benchmarks.sizes import SIZES, Cost, exponent


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 2.0])
def test_exponent_of_a_known_power_law(power: float) -> None:
    slices = [slices for slices, _ in SIZES]
    assert exponent(slices, [3.7 * n**power for n in slices]) == pytest.approx(power, abs=1e-9)


def test_a_constant_cost_makes_the_exponent_smaller() -> None:
    slices = np.array([slices for slices, _ in SIZES])
    assert 0 < exponent(slices, 1000 + 2.0 * slices) < exponent(slices, 10 + 2.0 * slices) < 1


def test_no_power_law_through_nothing() -> None:
    with pytest.raises(ValueError, match="positive"):
        exponent([1, 2], [0, 1])


def test_an_answer_that_differs_from_the_first_is_a_mistake() -> None:
    cost = Cost(40, 5.0, 1)
    cost.answers = [[0.1, 0.2], [0.1, 0.20001], [0.1, 0.3], [0.1]]
    assert cost.mistaken == 2
