# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from preprocess.spec import DETECTOR
from training.augment import augment_images, augment_patches
from training.presets import PRESETS, Augmentation

DETECTOR_PRESET = PRESETS["cpu"].detector


def test_box_follows_the_image() -> None:
    """A bright blob stands in for the canal: its centre of mass must end up in the moved box's centre."""
    rng = np.random.default_rng(0)
    n, side = 24, DETECTOR.image_px
    boxes = np.column_stack([rng.uniform(150, 260, (n, 2)), np.full((n, 2), 20.0)])
    at = np.arange(side) + 0.5
    x, y = (boxes[:, i, None] / DETECTOR.pixel_mm for i in (0, 1))
    images = np.exp(-((at - x)[:, None, :] ** 2 + (at - y)[:, :, None] ** 2) / 18).astype(np.float32)[..., None]
    quiet = replace(DETECTOR_PRESET, noise=0.0, shift_mm=30.0)
    moved, moved_boxes = augment_images(images, boxes, rng, quiet)
    sharp = np.maximum(moved[..., 0] - 0.4, 0)  # above any intensity shift of the background
    total = sharp.sum((1, 2))
    found = np.stack([(sharp.sum(1) * at).sum(1), (sharp.sum(2) * at).sum(1)], 1) / total[:, None]
    np.testing.assert_allclose(found * DETECTOR.pixel_mm, moved_boxes[:, :2], atol=1.0)
    assert np.ptp(moved_boxes[:, 2]) > 2  # scaled


def test_images_stay_in_range_and_air_stays_air() -> None:
    rng = np.random.default_rng(1)
    images = np.zeros((8, 256, 256, 1), np.float32)
    images[:, 60:200, 60:200] = rng.random((8, 140, 140, 1), np.float32)
    moved, _ = augment_images(images, np.zeros((8, 4)), rng, DETECTOR_PRESET)
    assert moved.min() >= 0
    assert moved.max() <= 1
    assert (moved[:, :3, :3] == 0).mean() > 0.5


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
