# SPDX-License-Identifier: Apache-2.0
"""Random changes of detector images together with their boxes."""

import numpy as np
import tensorflow as tf
from numpy.random import Generator
from numpy.typing import NDArray

from vcf_contract.spec import DETECTOR
from vcf_training.presets import DetectorPreset


def augment_images(
    images: NDArray[np.float32], boxes_mm: NDArray[np.float64], rng: Generator, how: DetectorPreset
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Move, scale, turn, mirror, crop and disturb detector images (n, 256, 256, 1) in [0, 1].

    The boxes (n, 4: centre x, centre y, width, height in mm from the image's corner) move along: a turned box is
    the upright one of the same size about the turned centre, which small angles allow. Boxes without width
    stay so.
    """
    n, side = len(images), images.shape[1]
    angle = np.radians(rng.uniform(-how.rotate_deg, how.rotate_deg, n))
    scale = np.exp(rng.uniform(np.log(how.scale[0]), np.log(how.scale[1]), n))
    mirror = np.where(rng.random(n) < 0.5, -1.0, 1.0)
    shift_px = rng.uniform(-how.shift_mm, how.shift_mm, (n, 2)) / DETECTOR.pixel_mm
    # Forward map of points about the middle: p' = A p + shift, A = scale · turn · mirror.
    forward = np.empty((n, 2, 2))
    forward[:, 0] = np.stack([mirror * np.cos(angle), -np.sin(angle)], -1) * scale[:, None]
    forward[:, 1] = np.stack([mirror * np.sin(angle), np.cos(angle)], -1) * scale[:, None]
    inverse = np.linalg.inv(forward)
    middle = (side - 1) / 2  # pixel centres, as the resampler counts
    offset = middle - np.einsum("nij,nj->ni", inverse, shift_px + middle)
    rows = np.concatenate([inverse, offset[..., None]], -1).reshape(n, 6)
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=np.concatenate([rows, np.zeros((n, 2))], 1).astype(np.float32),
        output_shape=[side, side],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    ).numpy()

    moved_boxes = boxes_mm.copy()
    half_mm = side * DETECTOR.pixel_mm / 2
    moved_boxes[:, :2] = (
        np.einsum("nij,nj->ni", forward, boxes_mm[:, :2] - half_mm) + shift_px * DETECTOR.pixel_mm + half_mm
    )
    moved_boxes[:, 2:] *= scale[:, None]

    gain, bias = rng.uniform(0.85, 1.15, (n, 1, 1, 1)), rng.uniform(-0.05, 0.05, (n, 1, 1, 1))
    noise = rng.uniform(0, how.noise, (n, 1, 1, 1)).astype(np.float32)
    inside = moved > 0  # air and padding stay at the window's lower end
    disturbed = moved * gain.astype(np.float32) + bias.astype(np.float32)
    disturbed += noise * rng.standard_normal(moved.shape, np.float32)
    disturbed = np.clip(np.where(inside, disturbed, moved), 0, 1, dtype=np.float32)
    return _cut_sides(_crop_field(disturbed, rng), moved_boxes, rng, how), moved_boxes


def _crop_field(images: NDArray[np.float32], rng: Generator) -> NDArray[np.float32]:
    """Blank everything outside a round field of view on a third of the images, as scanners pad it."""
    side = images.shape[1]
    axis = np.arange(side) - (side - 1) / 2
    for index in np.flatnonzero(rng.random(len(images)) < 1 / 3):
        cx, cy = rng.uniform(-25, 25, 2) / DETECTOR.pixel_mm
        radius = rng.uniform(150, 230) / DETECTOR.pixel_mm
        images[index][np.hypot(axis[None, :] - cx, axis[:, None] - cy) > radius] = 0
    return images


def _cut_sides(
    images: NDArray[np.float32], boxes_mm: NDArray[np.float64], rng: Generator, how: DetectorPreset
) -> NDArray[np.float32]:
    """Blank what lies beyond straight edges on some images, as reconstructions of one organ or one lung end there.

    Each of the four sides is cut on half of these images, at a random distance from the canal's centre (of the
    image, where there is no canal), which may leave half of the vertebra.
    """
    side = images.shape[1]
    nearest, farthest = how.cut_from_mm
    for index in np.flatnonzero(rng.random(len(images)) < how.cut_share):
        centre_mm = boxes_mm[index, :2] if boxes_mm[index, 2] > 0 else np.full(2, side * DETECTOR.pixel_mm / 2)
        away_mm = np.where(rng.random((2, 2)) < 0.5, rng.uniform(nearest, farthest, (2, 2)), np.inf)
        axis_mm = (np.arange(side) + 0.5) * DETECTOR.pixel_mm
        seen_x, seen_y = (
            (axis_mm > centre - below) & (axis_mm < centre + above)
            for centre, (below, above) in zip(centre_mm, away_mm, strict=True)
        )
        images[index][~(seen_y[:, None] & seen_x)] = 0
    return images
