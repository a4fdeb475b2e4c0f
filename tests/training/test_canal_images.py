# SPDX-License-Identifier: Apache-2.0
"""Training images of the canal detector: the box lies where the canal is, whatever the pixels."""

import numpy as np
import pytest

pytest.importorskip("tensorflow")
from vcf_contract.spec import DETECTOR
from vcf_training.canal_images import example, phantom_images, real_images
from vcf_training.data.canal import CanalSlice


def marked(spacing_mm: tuple[float, float], pixels: int = 300) -> tuple[np.ndarray, tuple[float, float]]:
    """A slice with one bright square, and the place of its middle."""
    hu = np.full((pixels, pixels), -1000, np.int16)
    row, column = 200, 120
    hu[row - 4 : row + 5, column - 4 : column + 5] = 1500
    return hu, (column * spacing_mm[1], row * spacing_mm[0])


@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0), (0.8, 1.2), (1.3, 1.3)])
def test_the_box_lies_on_what_it_marks(spacing_mm: tuple[float, float]) -> None:
    hu, centre = marked(spacing_mm)
    image, box = example(hu, spacing_mm, centre, (20.0, 16.0))
    assert image.shape == (DETECTOR.image_px, DETECTOR.image_px) and image.dtype == np.uint8
    y, x = np.argwhere(image > 128).mean(axis=0) * DETECTOR.pixel_mm
    assert (x, y) == pytest.approx(tuple(box[:2]), abs=DETECTOR.pixel_mm)
    assert box[2:].tolist() == [20.0, 16.0]


def test_a_slice_without_a_canal_has_no_box() -> None:
    hu, _ = marked((1.0, 1.0))
    assert example(hu, (1.0, 1.0), None, None)[1].tolist() == [0, 0, 0, 0]


def canal_slice(source: str, patient: str) -> CanalSlice:
    hu, _ = marked((1.0, 1.0))
    fields = {"image_hu": hu, "spacing_mm": (1.0, 1.0), "box": (100.0, 180.0, 140.0, 220.0)}
    return CanalSlice(**fields, patient=patient, source=source, index=0)  # type: ignore[arg-type]


def test_slices_of_a_scan_are_a_set_and_single_ones_of_a_kind_too() -> None:
    named = [("scan", "a"), ("scan", "a"), ("kind/1", "b"), ("kind/2", "c")]
    slices = [canal_slice(source, patient) for source, patient in named]
    sets = real_images(slices)
    assert [len(one.images) for one in sets] == [2, 2]
    assert sorted(sets[1].group.tolist()) == ["b", "c"]


def test_phantoms_bring_their_boxes() -> None:
    seen: list[tuple[int, int]] = []
    found = phantom_images(1, 3, first_seed=11, done=lambda done, total: seen.append((done, total)))
    assert found.images.shape == (3, DETECTOR.image_px, DETECTOR.image_px) and seen == [(1, 1)]
    assert set(found.group.tolist()) == {"phantom-11"}
    x, y, width, height = found.boxes_mm.T
    side = DETECTOR.image_px * DETECTOR.pixel_mm
    assert ((x > 100) & (x < side - 100) & (y > 100) & (y < side)).all()
    assert ((width > 12) & (width < 45) & (height > 9) & (height < 45)).all()
