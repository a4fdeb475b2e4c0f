# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from tests.preprocess import anatomy
from vcf_preprocess.sagittal import midsagittal


@pytest.mark.parametrize("spacing", [(1.0, 0.8, 0.8), (3.0, 0.75, 0.75), (2.0, 1.0, 0.7)])
def test_the_picture_shows_the_anatomy_in_the_plane_of_the_canal(spacing):
    volume = anatomy.sample(spacing)
    view = midsagittal(volume.hu, volume.spacing_mm, anatomy.true_line(volume))
    z0, y0, row_mm, column_mm = view.place_mm
    assert row_mm == pytest.approx(column_mm, rel=0.01)
    z = z0 - np.arange(view.hu.shape[0]) * row_mm
    y = y0 + np.arange(view.hu.shape[1]) * column_mm
    canal_x, _ = anatomy.canal_at(z)
    truth = anatomy.hu_at(canal_x[:, None], y[None], z[:, None])
    inner = (z > 5) & (z < anatomy.HEIGHT_MM - 5)
    assert np.abs(view.hu - truth)[inner].mean() < 6


def test_beyond_the_covered_spine_the_plane_stays():
    volume = anatomy.sample((2.0, 1.0, 1.0))
    line = anatomy.true_line(volume, 40, 90)
    view = midsagittal(volume.hu, volume.spacing_mm, line)
    assert view.hu.shape[0] == 260


@pytest.mark.parametrize("x_mm", [-500.0, 0.0, 5000.0])
@pytest.mark.parametrize("y_mm", [-500.0, 5000.0])
def test_a_line_outside_the_picture_still_gives_one(x_mm, y_mm):
    volume = anatomy.sample((4.0, 2.0, 2.0))
    line = anatomy.true_line(volume)
    points = line.points_mm.copy()
    points[:, 0], points[:, 1] = x_mm, y_mm
    view = midsagittal(volume.hu, volume.spacing_mm, type(line)(0, points, ()))
    assert view.hu.size > 0
