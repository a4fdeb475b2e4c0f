# SPDX-License-Identifier: Apache-2.0
"""The fit against canals whose edges are known by construction."""

import numpy as np
import pytest
from numpy.typing import NDArray

from vcf_preprocess.geometry import Volume
from vcf_training.data.canal_fit import MAX_CORRECTION_MM, canal_edges, fit_canal

SPACING_MM = (3.0, 0.8, 0.7)
SHAPE = (12, 120, 130)


def ring(x_mm: float, y_mm: float, half_width_mm: float, half_height_mm: float) -> NDArray[np.int16]:
    """One slice: an elliptic canal of 30 HU in a ring of bone 5 mm thick, muscle around it."""
    y = np.arange(SHAPE[1])[:, None] * SPACING_MM[1] - y_mm
    x = np.arange(SHAPE[2])[None] * SPACING_MM[2] - x_mm
    inner = (x / half_width_mm) ** 2 + (y / half_height_mm) ** 2
    outer = (x / (half_width_mm + 5)) ** 2 + (y / (half_height_mm + 5)) ** 2
    return np.where((inner > 1) & (outer < 1), 600, 30).astype(np.int16)


def leaning_canal() -> tuple[Volume, NDArray[np.float64]]:
    centres = np.stack([np.linspace(40, 46, SHAPE[0]), np.linspace(55, 45, SHAPE[0])], axis=1)
    hu = np.stack([ring(x, y, 10.0, 8.0) for x, y in centres])
    noise = np.random.default_rng(3).normal(0, 15, hu.shape)
    return Volume((hu + noise).astype(np.int16), SPACING_MM, np.eye(4)), centres


def test_edges_of_an_ellipse() -> None:
    edges = canal_edges(ring(42.0, 50.0, 10.0, 8.0), SPACING_MM[1:], np.array([43.5, 48.5]))
    np.testing.assert_allclose(edges, [32.0, 42.0, 52.0, 58.0], atol=0.9)


def test_side_without_bone_is_unknown() -> None:
    image = ring(42.0, 50.0, 10.0, 8.0)
    image[:60] = 30  # nothing in front
    edges = canal_edges(image, SPACING_MM[1:], np.array([42.0, 50.0]))
    assert np.isnan(edges[1])
    assert edges[3] == pytest.approx(58.0, abs=0.9)


def test_keyframes_that_are_off_are_corrected() -> None:
    volume, centres = leaning_canal()
    edges = fit_canal(volume, np.arange(SHAPE[0]), centres + np.array([1.5, -1.5]))
    np.testing.assert_allclose((edges[:, :2] + edges[:, 2:]) / 2, centres, atol=0.7)
    # Blur and a threshold below half of the bone's height make the canal a little smaller, on all sides alike.
    np.testing.assert_allclose(edges[:, 2:] - edges[:, :2], [[20.0, 16.0]] * SHAPE[0], atol=2.0)


def test_open_ring_is_bridged_from_its_neighbours() -> None:
    volume, centres = leaning_canal()
    volume.hu[5, :, :] = 40  # an intervertebral level without bone around the canal
    edges = fit_canal(volume, np.arange(SHAPE[0]), centres)
    np.testing.assert_allclose((edges[5, :2] + edges[5, 2:]) / 2, centres[5], atol=0.8)


def test_untrusted_slices_do_not_pull() -> None:
    volume, centres = leaning_canal()
    volume.hu[5] = ring(centres[5, 0] + 2.5, centres[5, 1], 10.0, 8.0)
    trust = np.arange(SHAPE[0]) != 5
    edges = fit_canal(volume, np.arange(SHAPE[0]), centres, trust)
    assert edges[5, [0, 2]].mean() == pytest.approx(centres[5, 0], abs=0.7)


def test_a_long_way_from_the_keyframes_is_refused() -> None:
    volume, centres = leaning_canal()
    with pytest.raises(ValueError, match=f"at most {MAX_CORRECTION_MM:g} mm"):
        fit_canal(volume, np.arange(SHAPE[0]), centres + np.array([5.0, 0.0]))


def test_no_bone_at_all_is_refused() -> None:
    volume = Volume(np.full(SHAPE, 30, np.int16), SPACING_MM, np.eye(4))
    with pytest.raises(ValueError, match="no slice shows bone"):
        fit_canal(volume, np.arange(SHAPE[0]), np.full((SHAPE[0], 2), 45.0))
