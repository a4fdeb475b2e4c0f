# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from preprocess.spec import DETECTOR
from training.augment_images import augment_images
from training.presets import PRESETS

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
