# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import numpy as np
import pytest

from training.phantom import Phantom, extent_mm, nominal, render, render_slices, sample, with_acquisition


@pytest.fixture(scope="module")
def body() -> Phantom:
    """A chest of the mean patient, whole slices."""
    return render(nominal(levels=("T6", "T12")), spacing_mm=(6.0, 1.4, 1.4))


def test_same_spec_same_voxels() -> None:
    spec = sample(2, kind="abdomen")
    first, again = (render(spec, spacing_mm=(5, 2, 2), region="spine") for _ in range(2))
    assert np.array_equal(first.volume.hu, again.volume.hu)
    assert first.vertebrae == again.vertebrae
    other = render(replace(spec, seed=3), spacing_mm=(5, 2, 2), region="spine")
    assert not np.array_equal(first.volume.hu, other.volume.hu)  # its noise


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


def test_canal_holds_cord_and_fluid(straight: Phantom) -> None:
    _, dy, dx = straight.volume.spacing_mm
    for k in range(20, len(straight.volume.hu) - 20, 60):
        x, y = straight.centre_line_mm[k]
        spot = straight.volume.hu[k, round(y / dy) - 4 : round(y / dy) + 5, round(x / dx) - 4 : round(x / dx) + 5]
        assert 5 < spot.mean() < 50


def test_body_has_the_tissues_of_a_chest(body: Phantom) -> None:
    hu = body.volume.hu
    inside = hu[len(hu) // 2]
    assert (inside == -1000).mean() > 0.3  # air around
    for low, high, least in ((-930, -800, 0.08), (-130, -60, 0.05), (20, 80, 0.08), (300, 1300, 0.003)):
        assert ((inside >= low) & (inside <= high)).mean() > least, f"too little between {low} and {high} HU"
    assert hu.shape[1] == hu.shape[2] == round(512 * 0.8 / 1.4)


def test_noise_has_the_deviation_of_the_spec() -> None:
    quiet = nominal(levels=("L1", "L4"))
    noisy = with_acquisition(quiet, noise_hu=20.0)
    a, b = (render(s, spacing_mm=(3, 0.8, 0.8), region="spine").volume.hu.astype(float) for s in (quiet, noisy))
    difference = (b - a)[3:-3]
    assert difference.std() == pytest.approx(20, rel=0.1)
    assert abs(difference.mean()) < 0.5
    neighbours = np.corrcoef(difference[:, :, :-1].ravel(), difference[:, :, 1:].ravel())[0, 1]
    assert 0.2 < neighbours < 0.95  # correlated in-plane
    across = np.corrcoef(difference[:-1].ravel(), difference[1:].ravel())[0, 1]
    assert abs(across) < 0.05


def test_slices_are_those_of_the_whole_body(body: Phantom) -> None:
    dz = body.volume.spacing_mm[0]
    picked = [2, 9, 15]
    slices = render_slices(body.spec, [k * dz for k in picked], pixel_mm=1.4, slice_mm=dz)
    assert slices.centre_mm == pytest.approx(body.centre_line_mm[picked], abs=1e-3)
    assert slices.boxes_mm == pytest.approx(body.canal_boxes_mm[picked], abs=1e-3)
    same = np.abs(slices.hu.astype(int) - body.volume.hu[picked]) <= 1
    assert same.mean() > 0.999


def test_rendering_in_blocks_leaves_no_seam() -> None:
    spec = nominal(levels=("T10", "L4"))
    thin = render(spec, spacing_mm=(2.0, 3.0, 3.0))  # over one block
    alone = render_slices(spec, [2.0 * k for k in range(46, 52)], pixel_mm=3.0, slice_mm=2.0)
    assert len(thin.volume.hu) > 52
    assert (np.abs(alone.hu.astype(int) - thin.volume.hu[46:52]) <= 40).mean() > 0.99


def test_spine_region_is_a_part_of_the_body_around_the_centre_line() -> None:
    spec = sample(4, kind="chest")
    part = render(spec, spacing_mm=(5, 1, 1), region="spine")
    dz, dy, dx = part.volume.spacing_mm
    size = np.array(part.volume.hu.shape[:0:-1]) * (dx, dy)
    assert (part.centre_line_mm.min(0) >= (31, 59)).all()
    assert (size - part.centre_line_mm.max(0) >= (30, 23)).all()
    assert part.volume.hu.shape[0] * dz == pytest.approx(extent_mm(spec), abs=dz + 0.1)


def test_bad_arguments_are_named() -> None:
    spec = nominal()
    with pytest.raises(ValueError, match="region 'head'"):
        render(spec, region="head")
    with pytest.raises(ValueError, match="spacing_mm"):
        render(spec, spacing_mm=(1, 0.8, 0.7))
    with pytest.raises(ValueError, match="z_mm"):
        render_slices(spec, [10.0, 5.0])
    with pytest.raises(ValueError, match="z_mm"):
        render_slices(spec, [10_000.0])
