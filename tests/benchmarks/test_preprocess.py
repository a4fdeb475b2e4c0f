# SPDX-License-Identifier: Apache-2.0
"""Each way resamples what it says, where it says; and the errors are those that theory gives."""

import json

import numpy as np
import pytest
from scipy import ndimage

from benchmarks import preprocess, preprocess_truth, preprocess_ways
from benchmarks.preparation import Shape, case
from benchmarks.preprocess_ways import OURS, PEERS, Way, ours_resample, row_mm
from benchmarks.result import Result
from preprocess.patches import extract

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
    """Noise tells: anything but an identity in the second step would blur it."""
    hu, spacing, line = case(SMALL)
    way = Way("", "numpy", "", ours_resample, cropped=True)
    np.testing.assert_allclose(way.patches(hu, spacing, line).patches, extract(hu, spacing, line).patches, atol=1e-3)


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


def test_the_error_of_linear_interpolation_is_the_one_that_theory_gives():
    """Of a complex wave, between two neighbours, averaged over all places between them."""

    def linear(hu, spacing_mm):
        pitch = row_mm(len(hu), spacing_mm) / spacing_mm[0]
        grid = np.arange(round(len(hu) / pitch)) * pitch
        places = np.meshgrid(grid, np.arange(hu.shape[1]), np.arange(hu.shape[2]), indexing="ij")
        return ndimage.map_coordinates(hu.astype(float), places, order=1, mode="nearest")

    for frequency in (0.1, 0.4):
        t = np.linspace(0, 1, 1001)
        blend = (1 - t) + t * np.exp(2j * np.pi * frequency)
        expected = np.sqrt(np.mean(np.abs(blend - np.exp(2j * np.pi * frequency * t)) ** 2))
        assert preprocess_truth.error(linear, frequency) == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("frequency", [0.05, 0.25, 0.45])
def test_fourier_interpolation_is_true_to_waves(frequency):
    """What is left comes from the ends, and grows towards Nyquist; linear interpolation is off by 0.6 there."""
    assert preprocess_truth.error(ours_resample, frequency) < 0.05


def test_a_missing_package_says_how_to_get_it():
    why = Way("", "no-such-package", "", ours_resample).missing()
    assert why and "pip install no-such-package" in why


def test_figures_and_page(tmp_path, monkeypatch):
    only = (WAYS["SciPy, cropped"], Way("gone", "no-such-package", "nothing", ours_resample))
    monkeypatch.setattr(preprocess_ways, "PEERS", only)
    result = Result("preprocess", {})
    preprocess.measure(result, slices=160, pixels=256, runs=3)
    figures = json.loads(result.write(tmp_path / "preprocess.json").read_text())["figures"]
    assert set(figures["ways"]) == {OURS, "SciPy, cropped"} and set(figures["skipped"]) == {"gone"}
    assert figures["ways"][OURS]["over_ours"] == {"min": 1.0, "median": 1.0, "max": 1.0}
    assert figures["ways"]["SciPy, cropped"]["over_ours"]["min"] > 0
    assert result.targets == [], "the goal is for 300 slices of 512 × 512 pixels"
    page = (tmp_path / "preprocess.html").read_text()
    assert page.count("<svg") == 2 and "no-such-package is not installed" in page
