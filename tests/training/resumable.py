# SPDX-License-Identifier: Apache-2.0
"""Small trainings for a process of their own: ``python -m tests.training.resumable member|detector OUT [LAST]``.

After step LAST the process kills itself as ``kill -9`` would.
"""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from vcf_training import checkpoint, detector, member
from vcf_training.checkpoint import Checkpoint
from vcf_training.detector import CanalImages
from vcf_training.presets import PRESETS, Augmentation
from vcf_training.studies import Studies

SEED = 4
CHECKPOINT_EVERY = 7
"""Neither divides ``evaluate_every`` nor the steps: the best weights and the losses have to be kept too."""
MEMBER = replace(
    PRESETS["tiny"].member,
    steps=40,
    patches_per_step=16,
    lengths=(2, 3, 4),
    learning_rate=3e-4,
    evaluate_every=5,
    severe_first=0.5,
    short_first=0.3,
    first_block_share=0.5,
    augmentation=Augmentation(left_right=0.5, shift_voxels=1, noise=0.02),
)
DETECTOR = replace(PRESETS["tiny"].detector, steps=20, batch=2)


def bright_or_dark(studies: int, seed: int, patches: int = 2) -> Studies:
    """Studies of cubes of 8; a fracture is a bright second patch, which any network can learn."""
    rng = np.random.default_rng(seed)
    n = patches * studies
    label = np.zeros(n, np.uint8)
    label[1 :: 2 * patches] = 1
    voxels = rng.integers(0, 60, (n, 8, 8, 8)) + 150 * label[:, None, None, None]
    return Studies(
        voxels.astype(np.uint8),
        np.tile((np.arange(patches) + 0.5) / patches, studies).astype(np.float32),
        label,
        np.ones(n, np.uint8),
        3 * label,
        np.full((n, 8, 5), np.nan, np.float16),
        np.arange(0, n + 1, patches),
        np.array([f"s{i}" for i in range(studies)]),
    )


def small_images(count: int, seed: int) -> CanalImages:
    """Noise with a bright box for the canal."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 100, (count, 256, 256)).astype(np.uint8)
    boxes = np.tile([200.0, 220.0, 23.0, 18.0], (count, 1)) + rng.uniform(-40, 40, (count, 1)) * [1, 1, 0, 0]
    for image, (x, y, *_) in zip(images, (boxes / 1.6).astype(int), strict=True):
        image[y - 6 : y + 6, x - 7 : x + 7] += 120
    return CanalImages(images, boxes, np.array([f"scan-{i}" for i in range(count)]))


def train_member(out: Path) -> None:
    """Train, tell each step on standard output, save."""
    training, tuning = bright_or_dark(24, 0, patches=5), bright_or_dark(12, 1, patches=5)
    settings = checkpoint.settings_of(MEMBER, SEED, checkpoint.digest(training, tuning))
    trained = member.train(
        training,
        tuning,
        MEMBER,
        member="a",
        seed=SEED,
        progress=_tell,
        kept=Checkpoint(out / "member.npz", settings, CHECKPOINT_EVERY),
        logs=out / "logs",
    )
    trained.encoder.save_weights(out / "encoder.weights.h5")
    trained.head.save_weights(out / "head.weights.h5")


def train_detector(out: Path) -> None:
    """Train, tell each step on standard output, save."""
    sources = [small_images(4, 0), small_images(2, 1)]
    kept = Checkpoint(out / "detector.npz", checkpoint.settings_of(DETECTOR, SEED, "d"), CHECKPOINT_EVERY)
    trained = detector.train(sources, DETECTOR, SEED, _tell, kept=kept, logs=out / "logs")
    trained.save_weights(out / "detector.weights.h5")


def _tell(step: int, figures: dict[str, float]) -> None:
    print(step, figures["loss"], flush=True)
    if step == int((sys.argv[3:] or ["0"])[0]):
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    {"member": train_member, "detector": train_detector}[sys.argv[1]](Path(sys.argv[2]))
