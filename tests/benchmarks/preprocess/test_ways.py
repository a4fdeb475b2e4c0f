# SPDX-License-Identifier: Apache-2.0
"""Each way resamples what it says, where it says."""

import numpy as np
import pytest
from scipy import ndimage

from vcf_benchmarks.preprocess.case import Shape, case
from vcf_benchmarks.preprocess.ways import PEERS, Way, ours_resample, row_mm
from vcf_preprocess.patches import extract

SMALL = Shape(slices=160, pixels=256, spacing_z_mm=1.5, pixel_mm=1.1)
WAYS = {way.name: way for way in PEERS}


def smooth_case():
    """A case whose volume is smooth, and so the same to every interpolation but at the ends."""
    hu, spacing, line = case(SMALL)
    z, y, x = np.ogrid[: hu.shape[0], : hu.shape[1], : hu.shape[2]]
    return (400 + 300 * np.sin(z / 17 + x / 23) * np.cos(y / 19)).astype(np.int16), spacing, line


def skip_if_missing(way):
    if why := way.missing():
        pytest.skip(why)


@pytest.mark.parametrize("name", WAYS)
def test_every_way_gives_our_patches_of_a_smooth_volume(name):
    skip_if_missing(WAYS[name])
    hu, spacing, line = smooth_case()
    ours, theirs = extract(hu, spacing, line), WAYS[name].patches(hu, spacing, line)
    assert theirs.patches.shape == ours.patches.shape
    np.testing.assert_allclose(theirs.boxes_mm, ours.boxes_mm, atol=0.1)
    assert np.abs(theirs.patches[1:-1] - ours.patches[1:-1]).max() < 0.01


def test_cutting_what_was_resampled_before_is_our_own_way():
    """Noise tells: anything but an identity in the second step would blur it. Where the line ends it is another one."""
    hu, spacing, line = case(SMALL)
    way = Way("", "numpy", "", ours_resample, cropped=True)
    found, expected = (
        patches.patches[1:-1] for patches in (way.patches(hu, spacing, line), extract(hu, spacing, line))
    )
    assert len(expected) and np.std(expected) > 0.1
    np.testing.assert_allclose(found, expected, atol=5e-3)


@pytest.mark.parametrize("name", ["SimpleITK", "MONAI"])
def test_linear_ways_interpolate_between_neighbours(name):
    skip_if_missing(WAYS[name])
    hu = np.random.default_rng(1).integers(-1000, 1000, (40, 6, 5), np.int16)
    spacing = (2.0, 0.7, 0.7)
    made = WAYS[name].resample(hu, spacing)
    z = np.arange(len(made)) * row_mm(len(hu), spacing) / spacing[0]
    inside = z <= len(hu) - 1
    truth = ndimage.map_coordinates(
        hu.astype(float), np.meshgrid(z, np.arange(6), np.arange(5), indexing="ij"), order=1, mode="nearest"
    )
    assert inside.sum() > 100
    np.testing.assert_allclose(made[inside], truth[inside], atol=0.05)


def test_a_missing_package_says_how_to_get_it():
    why = Way("", "no-such-package", "", ours_resample).missing()
    assert why and "pip install no-such-package" in why
