# SPDX-License-Identifier: Apache-2.0
"""Partial volume of a plane, worked out by hand."""

import numpy as np
import pytest

from vcf_training.phantom.grid import Grid, clip01, coverage, over


def grid() -> Grid:
    z, y, x = (np.arange(n, dtype=np.float32) * step for n, step in ((10, 2.0), (20, 0.5), (30, 0.5)))
    return Grid(z, y, x, 0.5, 2.0)


@pytest.mark.parametrize(
    ("distance_mm", "share"),
    [(-3.0, 1.0), (-0.5, 1.0), (-0.25, 0.75), (0.0, 0.5), (0.25, 0.25), (0.5, 0.0), (9.0, 0.0)],
)
def test_a_voxel_is_covered_as_far_as_a_plane_cuts_it(distance_mm: float, share: float) -> None:
    assert coverage(np.array([distance_mm], np.float32), 1.0) == pytest.approx(share)
    assert coverage(np.array([2 * distance_mm], np.float32), np.array([2.0])) == pytest.approx(share)


def test_a_window_holds_every_voxel_that_a_box_can_touch() -> None:
    found = grid().window(np.array([2.0, 3.0, 4.0]), np.array([6.0, 5.0, 9.0]))
    assert found is not None
    z, y, x = found
    for span, values, low, high, reach in ((z, grid().z, 4, 9, 2), (y, grid().y, 3, 5, 0.5), (x, grid().x, 2, 6, 0.5)):
        assert values[span].tolist() == [v for v in values.tolist() if low - reach <= v <= high + reach]


@pytest.mark.parametrize("away", [[-50.0, 3, 4], [2, 99.0, 4], [2, 3, 60.0]])
def test_a_box_beside_the_grid_has_no_window(away: list[float]) -> None:
    assert grid().window(np.array(away), np.array(away) + 1) is None


def test_axes_broadcast_to_the_window() -> None:
    window = (slice(1, 4), slice(0, 5), slice(2, 9))
    x, y, z = grid().axes(window)
    assert np.broadcast(x, y, z).shape == (3, 5, 7)
    assert x.ravel()[0] == 1.0 and z.ravel()[0] == 2.0


def test_painting_over_mixes_by_share() -> None:
    canvas = np.array([100, 100, 100], np.float32)
    over(canvas, np.array([0, 0.25, 1], np.float32), -900.0)
    assert canvas.tolist() == [100, -150, -900]
    assert clip01(np.array([-1, 0.5, 2], np.float32)).tolist() == [0, 0.5, 1]
