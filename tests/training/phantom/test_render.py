# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import numpy as np
import pytest

from vcf_training.phantom import Phantom, extent_mm, nominal, render, render_slices, sample


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
