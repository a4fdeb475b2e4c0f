# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from vcf_contract.spec import DETECTOR
from vcf_training.augment_images import augment_images
from vcf_training.presets import PRESETS

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


def test_cut_sides_keep_the_canal_and_leave_air_beyond_straight_edges() -> None:
    rng = np.random.default_rng(2)
    n, side = 40, DETECTOR.image_px
    images = np.full((n, side, side, 1), 0.5, np.float32)
    boxes = np.column_stack([np.full((n, 2), 200.0), np.full((n, 2), 20.0)])
    still = replace(
        DETECTOR_PRESET,
        noise=0.0,
        shift_mm=0.0,
        scale=(1.0, 1.0),
        rotate_deg=0.0,
        cut_share=1.0,
        cut_from_mm=(10.0, 60.0),
    )
    moved, moved_boxes = augment_images(images, boxes, rng, still)
    cut = 0
    for image, box in zip(moved[..., 0], moved_boxes, strict=True):
        column, row = (int(centre / DETECTOR.pixel_mm) for centre in box[:2])
        reach = int(10.0 / DETECTOR.pixel_mm) - 1
        assert (image[row - reach : row + reach, column - reach : column + reach] > 0).all()
        rows, columns = (image > 0).any(1), (image > 0).any(0)
        if not rows.all() or not columns.all():
            cut += 1
            assert np.count_nonzero(np.diff(rows.astype(int))) <= 2  # one run of rows, one of columns
            assert np.count_nonzero(np.diff(columns.astype(int))) <= 2
    assert cut > n / 2


def test_no_side_is_cut_where_none_is_to_be() -> None:
    images = np.full((8, 256, 256, 1), 0.5, np.float32)
    whole = replace(DETECTOR_PRESET, noise=0.0, shift_mm=0.0, scale=(1.0, 1.0), rotate_deg=0.0, cut_share=0.0)
    moved, _ = augment_images(images, np.zeros((8, 4)), np.random.default_rng(3), whole)
    middle = slice(100, 156)
    assert (moved[:, middle, middle] > 0).all()
