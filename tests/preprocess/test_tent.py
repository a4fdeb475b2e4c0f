# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from vcf_preprocess.tent import tent_weights, tent_window


def test_enlarging_is_linear_interpolation():
    samples = np.random.default_rng(0).normal(size=20)
    places = np.linspace(0, 19 * 2.5, 77)
    np.testing.assert_allclose(
        tent_weights(places, 20, 2.5, 0.6) @ samples, np.interp(places, np.arange(20) * 2.5, samples), atol=1e-6
    )


def test_reducing_keeps_constants_and_slopes_and_halves_fine_detail():
    places = np.arange(10, 50, 3.0)
    weights = tent_weights(places, 100, 0.7, 3.0)
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-6)
    np.testing.assert_allclose(weights @ (np.arange(100) * 0.7), places, atol=0.05)
    alternating = np.tile([1.0, -1.0], 50)
    assert np.abs(weights @ alternating).max() < 0.1


def test_outside_reads_as_zero_and_the_border_sample_keeps_its_half_pitch():
    weights = tent_weights([-1.1, -0.9, 0.0, 18.9, 19.1], 10, 2.0, 1.0)
    np.testing.assert_allclose(weights.sum(-1), [0, 1, 1, 1, 0], atol=1e-6)
    assert weights[1, 0] == 1
    assert weights[3, 9] == 1


def test_the_window_holds_every_sample_that_has_a_weight():
    places = np.array([[10.0, 12.0], [14.0, 16.0]])
    whole = tent_weights(places, 100, 1.0, 2.5)
    window = tent_window(places, 100, 1.0, 2.5)
    np.testing.assert_allclose(tent_weights(places, 100, 1.0, 2.5, window), whole[..., window], atol=1e-6)
    assert np.flatnonzero(whole.any((0, 1)))[[0, -1]].tolist() == [8, 18]
    assert window == slice(8, 19)


@pytest.mark.parametrize("far", [-500.0, 500.0])
def test_the_window_of_places_outside_is_empty(far):
    window = tent_window([far], 100, 1.0, 1.0)
    assert len(range(100)[window]) == 0
    assert tent_weights([far], 100, 1.0, 1.0, window).shape == (1, 0)
