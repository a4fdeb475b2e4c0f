# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from vcf_training.phantom import nominal, render, with_acquisition


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
