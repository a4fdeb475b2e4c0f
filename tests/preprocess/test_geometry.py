# SPDX-License-Identifier: Apache-2.0
import itertools

import numpy as np
import pytest

from vcf_preprocess.geometry import Volume, affine_from, canonicalise

PERMUTATIONS = list(itertools.permutations(range(3)))
FLIPS = list(itertools.product([1, -1], repeat=3))


def marked(shape=(5, 6, 7)):
    """A canonical volume (x, y, z order of axes) with one marked voxel, and its affine."""
    hu = np.zeros(shape, np.int16)
    hu[1, 4, 5] = 700
    affine = np.diag([0.7, 0.8, 2.0, 1.0])
    affine[:3, 3] = [-120.0, -90.0, 40.0]
    return hu, affine


@pytest.mark.parametrize("permutation", PERMUTATIONS)
@pytest.mark.parametrize("flips", FLIPS)
def test_any_storage_order_gives_one_volume(permutation, flips):
    """All 48 orientations: prone, feet first, reversed, sagittal or coronal stacks of the same anatomy."""
    hu, affine = marked()
    stored, stored_affine = hu, affine.copy()
    for axis, sign in enumerate(flips):
        if sign < 0:
            stored = np.flip(stored, axis)
            stored_affine[:3, 3] += stored_affine[:3, axis] * (hu.shape[axis] - 1)
            stored_affine[:3, axis] *= -1
    stored = stored.transpose(permutation)
    stored_affine[:3, :3] = stored_affine[:3, list(permutation)]
    volume = canonicalise(stored, stored_affine)
    np.testing.assert_array_equal(volume.hu, hu.transpose(2, 1, 0))
    np.testing.assert_allclose(volume.affine, affine)
    np.testing.assert_allclose(volume.spacing_mm, (2.0, 0.8, 0.7))


def test_points_go_to_the_patient():
    hu, affine = marked()
    volume = canonicalise(hu, affine)
    np.testing.assert_allclose(volume.to_lps_mm(np.array([[0.7, 3.2, 10.0]])), [[-119.3, -86.8, 50.0]])


def test_a_small_obliquity_stays_in_the_affine():
    hu, affine = marked()
    angle = np.radians(5)
    rotation = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    affine[:3, :3] = rotation @ affine[:3, :3]
    volume = canonicalise(hu, affine)
    np.testing.assert_allclose(volume.spacing_mm, (2.0, 0.8, 0.7))
    np.testing.assert_allclose(volume.to_lps_mm(np.array([0.0, 0.8, 0.0])), affine[:3, 3] + affine[:3, 1])


def test_two_axes_along_one_patient_axis_are_refused():
    affine = np.eye(4)
    affine[:3, 1] = [0.9, 0.1, 0.0]
    with pytest.raises(ValueError, match="three different"):
        canonicalise(np.zeros((2, 2, 2), np.int16), affine)


def test_a_part_lies_where_it_lay_in_the_whole():
    affine = np.array([[0.8, 0, 0.1, -50], [0, 0.8, 0, -60], [-0.08, 0, 2.5, 30], [0, 0, 0, 1]])
    whole = Volume(np.arange(6 * 2 * 2, dtype=np.int16).reshape(6, 2, 2), (2.5, 0.8, 0.8), affine)
    part = whole.part(2, 5)
    np.testing.assert_array_equal(part.hu, whole.hu[2:5])
    assert np.shares_memory(part.hu, whole.hu)
    np.testing.assert_allclose(part.affine @ [1.0, 1.0, 0.0, 1.0], whole.affine @ [1.0, 1.0, 2.0, 1.0])
    assert whole.affine[0, 3] == -50


def test_the_slice_location_is_along_the_volume_axis() -> None:
    """Where an axis runs through the patient is told by the position on it: a cut moves it by what was cut off, a
    crop within the slices not at all."""
    angle = np.radians(7)
    affine = np.diag([0.8, 0.8, 2.5, 1.0])
    affine[:3, :3] = [[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]] @ affine[:3, :3]
    affine[:3, 3] = [-120.0, 80.0, -333.0]
    whole = Volume(np.zeros((6, 4, 4), np.int16), (2.5, 0.8, 0.8), affine)
    expected = -333.0 * np.cos(angle) - 80.0 * np.sin(angle)
    assert whole.slice_location_mm == pytest.approx(expected, abs=0.0051)
    assert whole.part(3, 6).slice_location_mm == pytest.approx(expected + 7.5, abs=0.0051)
    within = Volume(whole.hu[:, 2:, 1:], whole.spacing_mm, affine_from(affine_from(affine, 1, 2), 0, 1))
    assert within.slice_location_mm == pytest.approx(expected, abs=0.0051)
    assert whole.slice_location_mm == np.float32(whole.slice_location_mm)
    moved = affine.copy()
    moved[2, 3] += 1e-5
    assert Volume(whole.hu, whole.spacing_mm, moved).slice_location_mm == whole.slice_location_mm
