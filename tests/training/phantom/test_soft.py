# SPDX-License-Identifier: Apache-2.0
"""Soft tissue on a few heights: what is where, and that heights between are interpolated."""

import numpy as np
import pytest

from vcf_training.phantom import nominal
from vcf_training.phantom.grid import Floats, Grid
from vcf_training.phantom.soft import paint_soft
from vcf_training.phantom.spine import Spine, build_spine
from vcf_training.phantom.texture import Texture
from vcf_training.phantom.torso import Torso

SPEC = nominal()


@pytest.fixture(scope="module")
def spine() -> Spine:
    return build_spine(SPEC)


def painted(spine: Spine, heights: np.ndarray) -> tuple[Grid, Floats]:
    across = np.arange(-230, 231, 4, dtype=np.float32)
    grid = Grid(heights.astype(np.float32), across, across, 4.0, 4.0)
    return grid, paint_soft(grid, SPEC, spine, Torso(SPEC, spine), Texture.of(SPEC.body.seed))


def test_a_slice_of_the_chest(spine: Spine) -> None:
    z = spine.z_of(6)
    _, hu = painted(spine, np.array([z, z + 4.0]))
    inside = hu[0]
    assert inside.min() >= -1000 and inside.max() < 800
    lung = (inside > -950) & (inside < -700)
    assert 0.04 < lung.mean() < 0.4
    assert inside[0, 0] < -900 and inside[0, -1] < -900, "air at the corners"


def test_a_slice_of_the_belly_holds_no_lung(spine: Spine) -> None:
    z = spine.z_of(14)
    _, hu = painted(spine, np.array([z, z + 4.0]))
    middle = hu[0][hu.shape[1] // 2 - 15 : hu.shape[1] // 2 + 5, hu.shape[2] // 2 - 15 : hu.shape[2] // 2 + 15]
    assert -150 < np.median(middle) < 120


def test_heights_between_are_interpolated(spine: Spine) -> None:
    """On many slices organs are painted on a few of them."""
    z = spine.z_of(9) + np.arange(0, 14, 1.0)
    _, dense = painted(spine, z)
    step = np.abs(np.diff(dense, axis=0))
    curved = np.abs(np.diff(dense, 2, axis=0))
    assert np.median(curved[step[1:] > 1]) < 1.0, "linear nearly everywhere"
