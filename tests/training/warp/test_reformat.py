# SPDX-License-Identifier: Apache-2.0
"""Sagittal reformats: what is averaged, and where a picture shows it."""

import numpy as np
import pytest

pytest.importorskip("PIL")
from vcf_preprocess.geometry import Volume
from vcf_training.warp.reformat import FRONT_MM, draw_reformat, sagittal_slab

SPACING = (2.0, 1.0, 0.5)


def volume() -> Volume:
    """One bright voxel row on each slice, which moves to the left by 2 mm a slice."""
    hu = np.zeros((20, 150, 160), np.int16)
    for z in range(20):
        hu[z, 90, 40 + 4 * z] = 1000
    return Volume(hu, SPACING, np.eye(4))


def canal() -> np.ndarray:
    return np.column_stack(((40 + 4 * np.arange(20)) * SPACING[2], np.full(20, 100.0)))


def test_the_slab_follows_the_canal_from_side_to_side() -> None:
    slab = sagittal_slab(volume(), canal(), slab_mm=2.0)
    assert slab.shape == (20, 150)
    np.testing.assert_allclose(slab[:, 90], 1000 / 5)  # five columns of half a millimetre
    assert not slab[:, :90].any() and not slab[:, 91:].any()
    straight = sagittal_slab(volume(), np.tile(canal()[:1], (20, 1)), slab_mm=2.0)
    assert (straight[3:, 90] == 0).all()


@pytest.mark.parametrize("slab_mm", [0.1, 0.5])
def test_a_slab_is_never_thinner_than_a_voxel_on_each_side(slab_mm: float) -> None:
    np.testing.assert_allclose(sagittal_slab(volume(), canal(), slab_mm)[:, 90], 1000 / 3)


def test_a_picture_shows_a_place_where_the_grid_says() -> None:
    """y 90 mm lies 65 mm behind the front edge, which is 75 mm before the canal."""
    scale = 4.0
    picture = np.asarray(draw_reformat(volume(), canal(), {}, px_per_mm=scale).convert("L"), float)
    column = (90 - (100 - FRONT_MM)) * scale
    bright = picture[100:].mean(axis=0)
    assert abs(int(np.argmax(bright[int(column) - 20 : int(column) + 20])) - 20) <= scale
    assert picture.shape == (round(20 * 2.0 * scale), round((FRONT_MM + 35) * scale))
