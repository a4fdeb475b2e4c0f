# SPDX-License-Identifier: Apache-2.0
"""Density and cortex of rendered bone."""

import pytest

from vcf_training.phantom import Phantom, render


def test_marrow_has_the_density_of_the_spec(straight: Phantom) -> None:
    dz, dy, dx = straight.volume.spacing_mm
    for level in ("T8", "T12", "L1", "L3"):
        v = next(v for v in straight.vertebrae if v.level == level)
        x, y, z = v.centre_mm
        k, j, i = round(z / dz), round((y - 3) / dy), round(x / dx)
        middle = straight.volume.hu[k - 6 : k + 7, j - 12 : j + 13, i - 12 : i + 13]
        assert middle.mean() == pytest.approx(straight.spec.vertebra(level).trabecular_hu, abs=12)
        assert 5 < middle.std() < 60


def test_cortex_is_brighter_than_marrow_but_thinner_than_a_voxel(straight: Phantom) -> None:
    coarse = render(straight.spec, spacing_mm=(2.0, 1.0, 1.0), region="spine")
    peaks = []
    for phantom in (straight, coarse):
        dz, dy, dx = phantom.volume.spacing_mm
        v = next(v for v in phantom.vertebrae if v.level == "L2")
        x, y, _ = (round(c / s) for c, s in zip(v.centre_mm, (dx, dy, dz), strict=True))
        column = phantom.volume.hu[:, y - 2 : y + 3, x - 2 : x + 3].mean((1, 2))
        top = round(v.z1_mm / dz)
        peaks.append(column[top - round(4 / dz) : top + round(2 / dz)].max())
    assert peaks[0] > 500 > peaks[1] > 200
