# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from tests.training.warp.conftest import PlainSpine
from vcf_training.warp.edges import refined


@pytest.mark.parametrize("noise_hu", [0.0, 15.0])
def test_landmarks_go_back_to_the_endplates(plain_spine: PlainSpine, noise_hu: float) -> None:
    hu = np.where(plain_spine.labels > 0, 220.0, 80.0)
    hu = gaussian_filter(hu, 0.8) + np.random.default_rng(0).normal(0, noise_hu, hu.shape)
    body = plain_spine.body("T11")
    moved = replace(body, upper=body.upper + np.array((1.8, 1.2, 0.8)), lower=body.lower - np.array((-1.5, -2.0, -1.0)))
    found = refined(moved, hu.astype(np.int16), (1.0, 1.0, 1.0))
    # Where the landmark was expected weighs too, and pulls by up to half a millimetre.
    np.testing.assert_allclose(found.upper, body.upper, atol=0.55)
    np.testing.assert_allclose(found.lower, body.lower, atol=0.55)


def test_one_landmark_that_strays_follows_the_others(plain_spine: PlainSpine) -> None:
    hu = np.where(plain_spine.labels > 0, 220.0, 80.0)
    body = plain_spine.body("T11")
    lip = body.to_scan(np.array((0.0, -12.0, body.upper[0])))
    z, y = round(lip[2]), round(lip[1])
    hu[z : z + 3, y - 4 : y + 5] = 900  # an osteophyte on the front of the endplate
    found = refined(body, gaussian_filter(hu, 0.8).astype(np.int16), (1.0, 1.0, 1.0))
    assert np.ptp(found.upper) < 1.0
