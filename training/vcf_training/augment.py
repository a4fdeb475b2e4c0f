# SPDX-License-Identifier: Apache-2.0
"""Random changes of the patches of a study (paper §3.2 "Image Augmentation"), the same for its whole sequence.

A flip or a turn happens to the spine, not to single patches:

* *left-right* mirrors every patch;
* *cranio-caudal* mirrors every patch and reverses their order, so that neighbours stay neighbours. What goes with
  the patches has to be reversed too (``Changed.upside_down``);
* a *rotation* in the sagittal plane turns the whole spine by one angle. The product would lay its patches along the
  turned canal, so each of them shows its old content turned about a point of its own, and one angle about the middle
  of every patch is the same as turning the spine. The middle, and not the canal at the back of the patch, because the
  vertebral body lies there: it stays in its patch, and the patch's label stays true. The angle is one in space:
  voxels of a patch are longer from front to back than they are high, and a turn in voxels would shear bodies into
  wedges.
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.ndimage import affine_transform, gaussian_filter

from vcf_contract.spec import PATCH, PatchSpec
from vcf_training.presets import Augmentation


@dataclass(frozen=True)
class Changed:
    """The patches (k, H, W, Z) in their new order, and whether that order is the old one reversed."""

    patches: NDArray[np.float32]
    upside_down: bool = False


def augment(patches: NDArray[np.float32], rng: Generator, how: Augmentation, spec: PatchSpec = PATCH) -> Changed:
    """Change the patches (k, H, W, Z) of one study, head to feet, all in the same way apart from the noise."""
    if rng.random() >= how.share:
        return Changed(patches)
    if rng.random() < how.left_right:
        patches = patches[..., ::-1]
    upside_down = bool(rng.random() < how.cranio_caudal)
    if upside_down:
        patches = patches[::-1, ::-1]
    if how.rotate_deg:
        patches = turned(patches, np.radians(rng.uniform(-how.rotate_deg, how.rotate_deg)), spec)
    if how.shift_voxels:
        shift = rng.integers(-how.shift_voxels, how.shift_voxels + 1, 3)
        patches = shifted(patches, (int(shift[0]), int(shift[1]), int(shift[2])))
    if how.blur_voxels:
        along, across = (float(rng.uniform(0, how.blur_voxels)) if rng.random() < 0.5 else 0.0 for _ in range(2))
        patches = gaussian_filter(patches, (0, along, across, across)) if along or across else patches
    if how.intensity_scale or how.intensity_shift:
        scale = 1 + rng.uniform(-how.intensity_scale, how.intensity_scale)
        patches = patches * np.float32(scale) + np.float32(rng.uniform(-how.intensity_shift, how.intensity_shift))
    if how.gamma:
        bend = 1 - rng.uniform(0, how.gamma)
        patches = np.clip(patches, 0, 1) ** np.float32(bend if rng.random() < 0.5 else 1 / bend)
    if how.noise:
        spread = np.float32(rng.uniform(0, how.noise))
        patches = patches + spread * rng.standard_normal(patches.shape, np.float32)
    if rng.random() < how.cut_share:
        patches = cut_off(patches, rng)
    return Changed(np.clip(patches, 0, 1, dtype=np.float32), upside_down)


def relocated(location: NDArray[np.float32], rng: Generator, how: Augmentation) -> NDArray[np.float32]:
    """Locations (k,) of a study stretched about 0.5 and moved, within 0 to 1."""
    if not (how.location_scale or how.location_shift):
        return location
    scale = 1 + rng.uniform(-how.location_scale, how.location_scale)
    moved = 0.5 + scale * (location - 0.5) + rng.uniform(-how.location_shift, how.location_shift)
    return np.clip(moved, 0, 1).astype(np.float32)


def shifted(patches: NDArray[np.float32], by: tuple[int, int, int]) -> NDArray[np.float32]:
    """Patches (k, H, W, Z) moved by whole voxels; what comes in is the border's."""
    index = [np.clip(np.arange(n) - step, 0, n - 1) for n, step in zip(patches.shape[1:], by, strict=True)]
    return patches[:, index[0][:, None, None], index[1][:, None], index[2]]


def cut_off(patches: NDArray[np.float32], rng: Generator) -> NDArray[np.float32]:
    """Patches (k, H, W, Z) with air beyond a plane: before the outer third of the front, or beside that of a side."""
    cut = patches.copy()
    _, _, depth, width = patches.shape
    side = int(rng.integers(3))
    if side == 0:
        cut[:, :, : int(rng.integers(1, depth // 3 + 1))] = 0
    else:
        beyond = int(rng.integers(1, width // 3 + 1))
        cut[..., slice(None, beyond) if side == 1 else slice(width - beyond, None)] = 0
    return cut


def turned(patches: NDArray[np.float32], angle: float, spec: PatchSpec = PATCH) -> NDArray[np.float32]:
    """Patches (k, H, W, Z) turned by ``angle`` (radians) in the sagittal plane about the middle of each."""
    height_mm, depth_mm, _ = spec.box_mm
    scale = np.diag([height_mm / patches.shape[1], depth_mm / patches.shape[2]])
    turn = np.eye(4)
    cos, sin = np.cos(angle), np.sin(angle)
    turn[1:3, 1:3] = np.linalg.inv(scale) @ [[cos, -sin], [sin, cos]] @ scale
    middle = (np.array(patches.shape) - 1) / 2
    # Along the sequence nothing moves, but rounding would mix neighbouring patches.
    turned_patches: NDArray[np.float32] = np.stack(
        [affine_transform(p, turn[1:, 1:], (middle - turn @ middle)[1:], order=1, mode="nearest") for p in patches]
    )
    return turned_patches
