# SPDX-License-Identifier: Apache-2.0
"""Random changes of the patches of a study (paper §3.2 "Image Augmentation")."""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.ndimage import affine_transform

from training.presets import Augmentation


def augment_patches(patches: NDArray[np.float32], rng: Generator, how: Augmentation) -> NDArray[np.float32]:
    """Change the patches (k, H, W, Z) of one study, all in the same way apart from the noise."""
    if rng.random() >= how.share:
        return patches
    if rng.random() < how.left_right:
        patches = patches[..., ::-1]
    if rng.random() < how.cranio_caudal:
        patches = patches[:, ::-1]
    if how.rotate_deg:
        patches = _rotate(patches, np.radians(rng.uniform(-how.rotate_deg, how.rotate_deg)))
    if how.shift_voxels:
        shift = rng.integers(-how.shift_voxels, how.shift_voxels + 1, 3)
        patches = np.roll(patches, tuple(shift), (1, 2, 3))
    if how.intensity_scale or how.intensity_shift:
        scale = 1 + rng.uniform(-how.intensity_scale, how.intensity_scale)
        patches = patches * np.float32(scale) + np.float32(rng.uniform(-how.intensity_shift, how.intensity_shift))
    if how.noise:
        spread = np.float32(rng.uniform(0, how.noise))
        patches = patches + spread * rng.standard_normal(patches.shape, np.float32)
    changed: NDArray[np.float32] = np.clip(patches, 0, 1, dtype=np.float32)
    return changed


def _rotate(patches: NDArray[np.float32], angle: float) -> NDArray[np.float32]:
    """In the sagittal plane, about the middle of each patch."""
    turn = np.eye(4)
    turn[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    middle = (np.array(patches.shape) - 1) / 2
    rotated: NDArray[np.float32] = affine_transform(patches, turn, middle - turn @ middle, order=1, mode="nearest")
    return rotated
