# SPDX-License-Identifier: Apache-2.0
"""The errors are those that theory gives."""

import numpy as np
import pytest
from scipy import ndimage

from vcf_benchmarks.preprocess import truth as preprocess_truth
from vcf_benchmarks.preprocess.ways import ours_resample, row_mm


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
