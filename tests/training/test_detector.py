# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

pytest.importorskip("tensorflow")
pytest.importorskip("tf2onnx")
from vcf_training.detector import CanalImages


def test_canal_images_join() -> None:
    one = CanalImages(np.zeros((2, 256, 256), np.uint8), np.zeros((2, 4)), np.array(["a", "b"]))
    both = CanalImages.joined([one, one])
    assert both.group.tolist() == ["a", "b", "a", "b"]
    assert len(both.where(both.group == "a")) == 2
