# SPDX-License-Identifier: Apache-2.0
from dataclasses import fields

import numpy as np
import pytest

from vcf_training.masks import look
from vcf_training.masks.look import Look


@pytest.fixture(scope="module")
def drawn() -> list[Look]:
    rng = np.random.default_rng(4)
    return [Look.draw(rng) for _ in range(300)]


def test_everything_is_drawn_within_its_range_and_reaches_both_ends(drawn: list[Look]) -> None:
    for field in fields(Look):
        ends = getattr(look, field.name.upper(), None)
        if isinstance(ends, tuple) and field.name != "cortex_hu":
            values = [getattr(one, field.name) for one in drawn]
            low, high = ends
            assert low <= min(values) < low + 0.05 * (high - low), field.name
            assert high - 0.05 * (high - low) < max(values) <= high, field.name


def test_cortex_is_denser_than_marrow(drawn: list[Look]) -> None:
    assert all(one.cortex_hu >= one.trabecular_hu + 60 for one in drawn)


def test_real_backgrounds_have_their_share_and_no_two_looks_are_alike(drawn: list[Look]) -> None:
    assert np.mean([one.real_background for one in drawn]) == pytest.approx(look.REAL_BACKGROUND, abs=0.1)
    assert len({one.seed for one in drawn}) == len(drawn)


def test_the_same_seed_gives_the_same_look() -> None:
    assert Look.draw(np.random.default_rng(1)) == Look.draw(np.random.default_rng(1))
