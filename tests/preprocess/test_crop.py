# SPDX-License-Identifier: Apache-2.0
"""A crop stands for its volume: same patches, same picture, wherever the spine lies."""

from dataclasses import replace

import numpy as np
import pytest

from tests.preprocess import anatomy
from vcf_contract.errors import StudyRefused
from vcf_preprocess import centre_line, spine
from vcf_preprocess.crop import Crop, Window, cut
from vcf_preprocess.geometry import Volume


def moved(line, x_mm=0.0, y_mm=0.0):
    return replace(line, points_mm=line.points_mm + np.array([x_mm, y_mm, 0]))


@pytest.mark.parametrize("spacing_mm", [(2.5, 0.8, 0.8), (1.0, 1.5, 1.1), (5.0, 2.0, 2.0)])
@pytest.mark.parametrize(
    ("x_mm", "y_mm"),
    [(0, 0), (-75, 0), (70, 0), (0, 75), (0, -120), (-80, 80), (-400, 0), (0, 400), (0, -400)],
    ids=["middle", "right", "left", "back", "front", "corner", "off right", "off back", "off front"],
)
def test_patches_and_picture_are_the_volumes(spacing_mm, x_mm, y_mm):
    volume = anatomy.sample(spacing_mm)
    line = moved(anatomy.true_line(volume), x_mm, y_mm)
    window = spine.window(volume.hu.shape, spacing_mm, line)
    whole = spine.reconstruct(volume.hu, spacing_mm, line)
    part = spine.reconstruct(cut(volume.hu, window), spacing_mm, line)
    for name in ("patches", "location", "patch_boxes_mm"):
        np.testing.assert_allclose(getattr(part, name), getattr(whole, name), atol=1e-6, err_msg=name)
    # The picture is the same as far as the crop reaches, and says where it begins.
    first = round(float(part.midsagittal_mm[1] - whole.midsagittal_mm[1]) / spacing_mm[1])
    np.testing.assert_allclose(part.midsagittal_mm[[0, 2, 3]], whole.midsagittal_mm[[0, 2, 3]], atol=1e-6)
    seen = whole.midsagittal[:, first : first + part.midsagittal.shape[1]].astype(int)
    assert np.abs(part.midsagittal - seen).max() <= 1  # of HU, from rounding


def test_nothing_outside_the_window_matters():
    volume = anatomy.sample((2.5, 0.8, 0.8))
    line = anatomy.true_line(volume)
    window = spine.window(volume.hu.shape, volume.spacing_mm, line)
    other = np.full_like(volume.hu, 3071)
    other[:, window.y, window.x] = volume.hu[:, window.y, window.x]
    np.testing.assert_array_equal(
        spine.reconstruct(volume.hu, volume.spacing_mm, line).patches,
        spine.reconstruct(other, volume.spacing_mm, line).patches,
    )


@pytest.mark.parametrize("side", ["first row", "last row", "first column", "last column"])
def test_window_is_no_larger_than_needed(side):
    """One row or column less is noticed, whichever it is."""
    volume = anatomy.sample((2.5, 0.8, 0.8))
    line = anatomy.true_line(volume)
    window = spine.window(volume.hu.shape, volume.spacing_mm, line)
    y, x = window.y, window.x
    smaller = {
        "first row": Window(slice(y.start + 1, y.stop), x),
        "last row": Window(slice(y.start, y.stop - 1), x),
        "first column": Window(y, slice(x.start + 1, x.stop)),
        "last column": Window(y, slice(x.start, x.stop - 1)),
    }[side]
    with pytest.raises(StudyRefused, match=r"BAD_INPUT: the spine needs rows \d+ to \d+"):
        spine.reconstruct(cut(volume.hu, smaller), volume.spacing_mm, line)


def test_a_crop_of_a_usual_scan_is_a_small_part():
    """Of 512 × 512 pixels of 0.7 mm, with a spine as curved as spines are."""
    z = np.arange(150) * 2.5
    line = centre_line.CentreLine(0, np.stack([180 + 8 * np.sin(z / 90), 220 + 20 * np.cos(z / 110), z], -1), ())
    window = spine.window((150, 512, 512), (2.5, 0.7, 0.7), line)
    share = (window.y.stop - window.y.start) * (window.x.stop - window.x.start) / 512**2
    assert share < 0.08


@pytest.mark.parametrize(
    ("origin", "shape"), [((-1, 0), (4, 9, 9)), ((5, 0), (4, 9, 9)), ((0, 5), (4, 9, 9)), ((0, 0), (5, 9, 9))]
)
def test_crop_that_does_not_lie_in_its_volume(origin, shape):
    with pytest.raises(StudyRefused, match="BAD_INPUT: a crop of shape"):
        Crop(np.zeros((4, 5, 5), np.int16), origin, shape)


def test_empty_windows_join_with_others():
    empty, some = Window(slice(7, 7), slice(0, 0)), Window(slice(3, 5), slice(8, 9))
    assert empty | some == some | empty == some
    assert some | Window(slice(4, 9), slice(1, 2)) == Window(slice(3, 9), slice(1, 9))


def test_line_comes_through_the_wire_as_it_was():
    volume: Volume = anatomy.sample((2.5, 0.8, 0.8))
    line = anatomy.true_line(volume, 3, 90)
    sent = centre_line.as_sent(line.points_mm)
    found = centre_line.received(sent.astype(np.float32), volume.hu.shape, volume.spacing_mm)
    assert found.first_slice == 3
    np.testing.assert_array_equal(found.points_mm, sent)


def test_overlapping_patches_need_no_other_crop():
    """Who cuts the crop does not know how much the weights' patches overlap."""
    volume = anatomy.sample((2.0, 1.5, 1.5))
    line = anatomy.true_line(volume)
    crop = cut(volume.hu, spine.window(volume.hu.shape, volume.spacing_mm, line))
    found = spine.reconstruct(crop, volume.spacing_mm, line, overlap=0.5)
    whole = spine.reconstruct(volume.hu, volume.spacing_mm, line, overlap=0.5)
    assert len(found.patches) == 10  # ⌈(260 − 48)/24⌉ + 1
    np.testing.assert_array_equal(found.patches, whole.patches)
    # Every second one lies near one of the fewest that tile the spine.
    assert len(spine.reconstruct(crop, volume.spacing_mm, line).patches) == 6
