# SPDX-License-Identifier: Apache-2.0
"""Training of the canal detector on phantom slices and annotated real ones (paper §2.1: 300 annotated slices)."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from numpy.random import Generator
from numpy.typing import NDArray

from vcf_contract.contract import CANAL_GRID
from vcf_contract.spec import DETECTOR
from vcf_preprocess import yolo
from vcf_training import checkpoint, models
from vcf_training.augment_images import augment_images
from vcf_training.checkpoint import Checkpoint
from vcf_training.logs import Curves
from vcf_training.losses import yolo_loss, yolo_targets
from vcf_training.presets import DetectorPreset
from vcf_training.schedule import learning_rate

Progress = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True)
class CanalImages:
    """Detector images with the canal's box.

    images
        (n, 256, 256) uint8, 255 is the window's upper end.
    boxes_mm
        (n, 4) centre x, centre y, width, height in mm from the image's corner; width 0 where there is no canal.
    group
        (n,) name of the scan that each came from.
    """

    images: NDArray[np.uint8]
    boxes_mm: NDArray[np.float64]
    group: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.images)

    def where(self, chosen: NDArray[np.bool_]) -> "CanalImages":
        """The images for which ``chosen`` holds."""
        return CanalImages(self.images[chosen], self.boxes_mm[chosen], self.group[chosen])

    @classmethod
    def joined(cls, parts: "list[CanalImages]") -> "CanalImages":
        """All images of several sets."""
        return cls(
            np.concatenate([p.images for p in parts]),
            np.concatenate([p.boxes_mm for p in parts]),
            np.concatenate([p.group for p in parts]),
        )


def train(
    sources: list[CanalImages],
    preset: DetectorPreset,
    seed: int,
    progress: Progress = lambda *_: None,
    *,
    kept: Checkpoint | None = None,
    logs: Path | None = None,
) -> keras.Model:
    """Train a detector; a source's share of each batch goes with the square root of its size.

    So a long scan, whose neighbouring slices differ little, does not drown the others. ``kept`` and ``logs`` as in
    ``member.train``.
    """
    checkpoint.make_deterministic(seed)
    rng = np.random.default_rng(seed)
    model = models.canal_detector(dtype=preset.dtype)
    _expect_few_boxes(model)
    optimizer = keras.optimizers.Adam(preset.learning_rate, global_clipnorm=10.0)
    optimizer.build(model.trainable_variables)

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def step(images: tf.Tensor, where: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = yolo_loss(model(images, training=True), where, values)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    done, mean_loss = 0, None
    if kept and (found := kept.load()):
        state, arrays = found
        checkpoint.assign(model.variables, arrays["weights"])
        checkpoint.assign(optimizer.variables, arrays["optimizer"])
        rng.bit_generator.state = state["random"]
        done, mean_loss = state["step"], state["mean_loss"]
    curves = Curves(logs, resumed=done > 0)
    for number in range(done + 1, preset.steps + 1):
        optimizer.learning_rate = rate = learning_rate(number - 1, preset.steps, preset.learning_rate)
        images, boxes_mm = _batch(sources, preset, rng)
        where, values = yolo_targets(boxes_mm)
        loss = float(step(tf.constant(images), tf.constant(where), tf.constant(values)))
        mean_loss = loss if mean_loss is None else 0.97 * mean_loss + 0.03 * loss
        curves.add(number, loss=loss, learning_rate=rate)
        if kept and kept.due(number) and number < preset.steps:
            curves.flush()
            kept.save(
                {"step": number, "random": rng.bit_generator.state, "mean_loss": mean_loss},
                {
                    "weights": checkpoint.values(model.variables),
                    "optimizer": checkpoint.values(optimizer.variables),
                },
            )
        progress(number, {"loss": mean_loss})
    curves.close()
    trained = models.canal_detector()
    trained.set_weights(model.get_weights())
    return trained


def _expect_few_boxes(model: keras.Model) -> None:
    """Start with a low objectness everywhere: 767 of 768 boxes are none, and learning that first wastes steps."""
    head = model.get_layer(CANAL_GRID.name)
    kernel, bias = head.get_weights()
    bias[4::5] = -5.0
    head.set_weights([kernel, bias])


def _batch(
    sources: list[CanalImages], preset: DetectorPreset, rng: Generator
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    size = np.array([len(s) for s in sources])
    share = np.sqrt(size) / np.sqrt(size).sum()
    images, boxes = [], []
    for source in rng.choice(len(sources), preset.batch, p=share):
        chosen = rng.integers(size[source])
        images.append(sources[source].images[chosen])
        boxes.append(sources[source].boxes_mm[chosen])
    scaled = np.stack(images)[..., None].astype(np.float32) / 255
    return augment_images(scaled, np.stack(boxes), rng, preset)


def evaluate(trained: keras.Model, data: CanalImages, batch: int = 16) -> dict[str, float]:
    """Distance of the best box's centre from the truth, over the images that hold a canal.

    ``within_5_mm`` counts an image as found only if its confidence passes the served minimum as well.
    """
    served = models.fold_batch_norm(trained)
    images = data.images[..., None].astype(np.float32) / 255
    heads = [np.asarray(served(images[i : i + batch])) for i in range(0, len(images), batch)]
    boxes = yolo.decode(np.concatenate(heads))
    present = data.boxes_mm[:, 2] > 0
    error_mm = np.linalg.norm(boxes.centre_px * DETECTOR.pixel_mm - data.boxes_mm[:, :2], axis=1)[present]
    sure = (boxes.confidence >= DETECTOR.min_confidence)[present]
    return {
        "images": float(present.sum()),
        "median_error_mm": float(np.median(error_mm)),
        "p95_error_mm": float(np.percentile(error_mm, 95)),
        "within_5_mm": float(((error_mm <= 5) & sure).mean()),
        "confident": float(sure.mean()),
    }
