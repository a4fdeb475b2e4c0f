# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from vcf_screening import drift


def test_the_index_by_hand() -> None:
    """Half and half to a fifth and four fifths."""
    found = drift.shares("kernel", {"A": 50, "B": 50}, {"A": 20, "B": 80})
    assert found.stability == pytest.approx((0.2 - 0.5) * np.log(0.2 / 0.5) + (0.8 - 0.5) * np.log(0.8 / 0.5))
    assert found.verdict == "another population"
    assert found.classes == [("B", 0.5, 0.8), ("A", 0.5, 0.2)]


def test_the_same_mixture_is_alike_whatever_its_size() -> None:
    found = drift.shares("scanner", {"A": 10, "": 30}, {"A": 100, "": 300})
    assert found.stability == pytest.approx(0) and found.verdict == "alike"
    assert {name for name, _, _ in found.classes} == {"A", "not known"}


def test_a_new_class_is_finite() -> None:
    assert drift.OTHER < drift.shares("scanner", {"A": 10}, {"B": 10}).stability < 100


def test_scores_that_moved() -> None:
    generator = np.random.default_rng(1)
    before, same, moved = generator.random(500), generator.random(500), generator.random(500) * 0.5
    alike, other = drift.scores(before, same), drift.scores(before, moved)
    assert alike and other and alike.p_value > 0.01 and other.p_value < 1e-6 and other.distance > 0.4
    assert drift.scores([], before) is None
