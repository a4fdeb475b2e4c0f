# SPDX-License-Identifier: Apache-2.0
"""Random fields: fixed in space, of unit deviation, of the grain that their names promise."""

import numpy as np
import pytest

from vcf_training.phantom.grid import Grid
from vcf_training.phantom.texture import Texture

ALL = (slice(None), slice(None), slice(None))


def grid(start_mm: float = 0.0, n: int = 48, pitch_mm: float = 0.9) -> Grid:
    along = (start_mm + np.arange(n) * pitch_mm).astype(np.float32)
    return Grid(along, along, along, pitch_mm, pitch_mm)


@pytest.mark.parametrize("kind", ["fine", "coarse"])
def test_mean_and_deviation(kind: str) -> None:
    field = getattr(Texture.of(3), kind)(grid(n=60, pitch_mm=2.0), ALL)
    assert abs(field.mean()) < 0.05 and field.std() == pytest.approx(1, abs=0.05)


def test_the_same_place_has_the_same_value_whatever_is_rendered() -> None:
    texture = Texture.of(3)
    whole, part = texture.fine(grid(), ALL), texture.fine(grid(start_mm=10 * 0.9, n=20), ALL)
    np.testing.assert_array_equal(whole[10:30, 10:30, 10:30], part)
    np.testing.assert_array_equal(texture.fine(grid(), (slice(3, 9),) * 3), whole[3:9, 3:9, 3:9])


def test_patients_differ_and_each_is_always_the_same() -> None:
    one, other, again = (Texture.of(seed).fine(grid(), ALL) for seed in (1, 2, 1))
    assert not np.array_equal(one, other)
    np.testing.assert_array_equal(one, again)


def test_coarse_grain_is_wider_than_fine() -> None:
    """By the correlation of neighbours at 4 mm."""

    def alike(kind: str) -> float:
        field = getattr(Texture.of(3), kind)(grid(n=60, pitch_mm=4.0), ALL)
        return float(np.corrcoef(field[1:].ravel(), field[:-1].ravel())[0, 1])

    assert alike("coarse") > alike("fine") + 0.3
