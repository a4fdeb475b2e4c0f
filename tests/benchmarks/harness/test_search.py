# SPDX-License-Identifier: Apache-2.0
"""The search finds the best point of surfaces whose best point is known, with few measurements."""

from dataclasses import dataclass
from itertools import product

import pytest

from vcf_benchmarks.harness.search import one_at_a_time, pareto


@dataclass(frozen=True)
class At:
    a: int = 0
    b: int = 0
    c: int = 0


FACTORS = {name: [{name: level} for level in range(5)] for name in "abc"}


def best(found):
    return max((p for p in found if found[p] is not None), key=lambda p: found[p])


def test_a_surface_without_interactions_is_climbed_in_one_pass_and_a_second_one_that_sees_it_is_the_top():
    top = At(3, 1, 4)
    found = one_at_a_time(At(), FACTORS, lambda p: 100 - (p.a - 3) ** 2 * 9 - (p.b - 1) ** 2 * 5 - (p.c - 4) ** 2 * 7)
    assert best(found) == top
    assert len(found) <= 1 + 4 * 3 + 12
    assert len(found) < 5**3 / 4


def test_a_factor_whose_best_level_moves_with_another_is_found_by_the_second_pass():
    """With a = 4 the best b is 4, with a = 0 it is 0: the first pass settles b before c has made a = 4 the best."""
    found = one_at_a_time(At(), FACTORS, lambda p: 100 + 10 * p.c * (p.a == 4) + 10 * p.a - 5 * abs(p.b - p.a))
    assert best(found) == At(4, 4, 4)


def test_differences_within_the_noise_move_nothing():
    found = one_at_a_time(At(2, 2, 2), FACTORS, lambda p: 100 + 0.5 * p.a + 0.5 * p.b + 0.5 * p.c)
    assert len(found) == 1 + 3 * 4
    assert all(sum(x != 2 for x in (p.a, p.b, p.c)) <= 1 for p in found)


def test_points_that_cannot_be_used_are_measured_and_not_built_on():
    found = one_at_a_time(At(), FACTORS, lambda p: None if p.a == 4 else 100 + 10 * p.a + p.b * 10)
    assert best(found) == At(3, 4, 0)
    assert all(found[p] is None for p in found if p.a == 4)
    assert {(p.b, p.c) for p in found if p.a == 4} <= {(p.b, p.c) for p in found if p.a == 3} | {(0, 0)}


def test_the_search_ends_when_time_is_up():
    left = iter([True, True, False])
    found = one_at_a_time(At(), FACTORS, lambda p: 1.0, lambda: next(left))
    assert len(found) == 3


def test_a_start_that_fails_is_left():
    found = one_at_a_time(At(), FACTORS, lambda p: None if p == At() else 1.0 + p.a)
    assert best(found).a == 4


@pytest.mark.parametrize("seed", range(3))
def test_the_front_is_what_no_other_point_beats(seed):
    import numpy as np

    points = [tuple(pair) for pair in np.random.default_rng(seed).integers(0, 12, (40, 2)).astype(float)]
    front = {points[number] for number in pareto(points)}
    for point, other in product(points, points):
        if other != point and other[0] >= point[0] and other[1] <= point[1]:
            assert point not in front
    for point in set(points) - front:
        assert any(f != point and f[0] >= point[0] and f[1] <= point[1] for f in front)
    rates = [points[number][0] for number in pareto(points)]
    assert rates == sorted(rates)
