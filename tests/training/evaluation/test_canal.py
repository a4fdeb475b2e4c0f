# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from numpy.typing import NDArray

from vcf_contract.spec import DETECTOR
from vcf_preprocess.slices import volume_to_image_px
from vcf_training.data.canal import CanalSlice
from vcf_training.evaluation.canal import evaluate_canal, slice_errors_mm


def a_slice(source: str, box: tuple[float, float, float, float]) -> CanalSlice:
    return CanalSlice(np.zeros((200, 240), np.int16), (0.8, 0.8), box, source, "p", 0)


class Fixed:
    """A detector that answers one place for every image: canal_grid with a single confident cell, or none."""

    def __init__(self, place_mm: tuple[float, float], confident: bool = True) -> None:
        px = volume_to_image_px(np.array(place_mm), (1, 200, 240), (1.0, 0.8, 0.8)) / DETECTOR.stride_px
        self.cell = np.floor(px).astype(int)
        offset = np.clip(px - self.cell, 1e-6, 1 - 1e-6)
        self.logits = np.log(offset / (1 - offset))
        self.confident = confident

    def __call__(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        head = np.zeros((len(images), DETECTOR.grid, DETECTOR.grid, DETECTOR.head_channels), np.float32)
        head[..., 4::5] = -12.0
        x, y = self.cell
        head[:, y, x, :2] = self.logits
        head[:, y, x, 4] = 8.0 if self.confident else -8.0
        return head


def test_distance_is_measured_in_millimetres_of_the_slice() -> None:
    """Box centre at pixel (100, 120) of 0.8 mm; the answer lies 3 mm to the left and 4 mm behind it."""
    truth = a_slice("lidc-idri-0001", (90, 110, 110, 130))
    (error,) = slice_errors_mm(Fixed((80 + 3, 96 + 4)), [truth])
    assert error == pytest.approx(5.0, abs=1e-3)


def test_an_unsure_box_is_none() -> None:
    truth = a_slice("lidc-idri-0001", (90, 110, 110, 130))
    assert np.isinf(slice_errors_mm(Fixed((80, 96), confident=False), [truth]))[0]


def test_held_out_and_trained_sources_are_told_apart() -> None:
    near, far = (90.0, 110.0, 110.0, 130.0), (90.0, 10.0, 110.0, 30.0)
    slices = [
        a_slice("lidc-idri-0001", near),
        a_slice("lidc-idri-0001", far),
        a_slice("shared/ct/axial-slices/1", near),
        a_slice("shared/ct/axial-slices/2", near),
    ]
    found = evaluate_canal(Fixed((80, 96)), slices)
    assert found["all"]["slices"] == 4
    assert found["all"]["within"] == 0.75
    assert found["held_out"]["within"] == 0.5
    assert [row["source"] for row in found["sources"]] == ["lidc-idri-0001", "shared/ct/axial-slices"]
