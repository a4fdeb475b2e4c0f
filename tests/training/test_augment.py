# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from training.augment import augment_patches
from training.presets import Augmentation


def test_left_right_flip_alone() -> None:
    patches = np.random.default_rng(2).random((3, 8, 8, 8), np.float32)
    flipped = augment_patches(patches, np.random.default_rng(0), Augmentation(left_right=1.0))
    np.testing.assert_array_equal(flipped, patches[..., ::-1])


def test_turning_is_sagittal_and_small() -> None:
    patches = np.zeros((1, 33, 33, 3), np.float32)
    patches[0, 16, 24] = 1  # eight voxels behind the middle
    how = Augmentation(left_right=0, rotate_deg=20)
    for seed in range(5):
        turned = augment_patches(patches, np.random.default_rng(seed), how)[0]
        assert np.ptp(turned, axis=-1).max() < 1e-6
        row, column = np.unravel_index(turned[..., 1].argmax(), (33, 33))
        angle = np.degrees(np.arctan2(row - 16, column - 16))
        assert abs(angle) <= 24
        assert np.hypot(row - 16, column - 16) == pytest.approx(8, abs=1)


def test_share_leaves_studies_as_they_are() -> None:
    patches = np.random.default_rng(3).random((1, 8, 8, 8), np.float32)
    how = Augmentation(share=0.5, left_right=1.0)
    same = [augment_patches(patches, np.random.default_rng(s), how) is patches for s in range(200)]
    assert 70 <= sum(same) <= 130
