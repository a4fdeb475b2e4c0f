# SPDX-License-Identifier: Apache-2.0
"""Examples for the canal detector: annotated real slices and slices of phantoms, prepared as the product does."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from vcf_contract.spec import DETECTOR
from vcf_preprocess.slices import detector_images, volume_to_image_px
from vcf_training.data.canal import CanalSlice
from vcf_training.detector import CanalImages
from vcf_training.phantom import extent_mm, render_slices, sample


def example(
    image_hu: NDArray[np.int16],
    spacing_mm: tuple[float, float],
    centre_mm: tuple[float, float] | None,
    size_mm: tuple[float, float] | None,
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Detector image (256, 256) uint8 of an axial slice, and its box in mm from the image's corner."""
    volume, spacing = image_hu[None], (1.0, *spacing_mm)
    image = detector_images(volume, spacing, np.array([0]))[0, ..., 0]
    box = np.zeros(4)
    if centre_mm is not None and size_mm is not None:
        box[:2] = volume_to_image_px(np.array(centre_mm), volume.shape, spacing) * DETECTOR.pixel_mm
        box[2:] = size_mm
    return np.rint(image * 255).astype(np.uint8), box


def real_images(slices: Sequence[CanalSlice]) -> list[CanalImages]:
    """One set a scan, so that a long scan does not outweigh the others; single slices of a kind form one set."""
    groups: dict[str, list[CanalSlice]] = {}
    for s in slices:
        groups.setdefault(
            s.source.rpartition("/")[0] if s.source.rpartition("/")[2].isdigit() else s.source, []
        ).append(s)
    sets = []
    for members in groups.values():
        images, boxes = zip(*(example(s.image_hu, s.spacing_mm, s.centre_mm, s.size_mm) for s in members), strict=True)
        sets.append(CanalImages(np.stack(images), np.stack(boxes), np.array([s.patient for s in members])))
    return sets


def phantom_images(
    patients: int, slices: int, first_seed: int = 0, done: Callable[[int, int], None] = lambda *_: None
) -> CanalImages:
    """Slices at random heights of phantoms of the training ranges, whole bodies.

    Rendered at 1.2 mm: the detector samples every 1.6 mm, and a finer phantom would only cost time.
    """
    images, boxes, groups = [], [], []
    for seed in range(first_seed, first_seed + patients):
        spec = sample(seed)
        heights = np.sort(np.random.default_rng([seed, 55]).uniform(0, extent_mm(spec), slices))
        rendered = render_slices(spec, heights.tolist(), pixel_mm=1.2)
        for hu, centre, size in zip(rendered.hu, rendered.centre_mm, rendered.boxes_mm, strict=True):
            image, box = example(hu, (rendered.pixel_mm, rendered.pixel_mm), tuple(centre), tuple(size))
            images.append(image)
            boxes.append(box)
            groups.append(f"phantom-{seed}")
        done(seed - first_seed + 1, patients)
    return CanalImages(np.stack(images), np.stack(boxes), np.array(groups))
