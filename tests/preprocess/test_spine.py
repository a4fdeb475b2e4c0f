# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from tests.preprocess import anatomy
from vcf_contract.errors import StudyRefused
from vcf_contract.spec import DETECTOR
from vcf_preprocess.slices import pick, volume_to_image_px
from vcf_preprocess.spine import prepare


def perfect_heads(volume, indices):
    """Raw YOLO heads that point at the anatomy's canal: the inverse of the decoding formula."""
    heads = np.zeros((len(indices), DETECTOR.grid, DETECTOR.grid, DETECTOR.head_channels), np.float32)
    heads[..., 4::5] = -6
    places = volume_to_image_px(
        np.stack(anatomy.canal_at(indices * volume.spacing_mm[0]), -1), volume.hu.shape, volume.spacing_mm
    )
    for head, (x, y) in zip(heads, places / DETECTOR.stride_px, strict=True):
        inside = np.clip([x % 1, y % 1], 1e-3, 1 - 1e-3)
        head[int(y), int(x), :5] = [*np.log(inside / (1 - inside)), 0, 0, 4]
    return heads


def test_from_heads_to_patches():
    volume = anatomy.sample((2.5, 0.8, 0.8))
    indices = pick(len(volume.hu), 2.5)
    spine = prepare(volume.hu, volume.spacing_mm, indices, perfect_heads(volume, indices))
    k = len(spine.location)
    assert k == 6
    assert spine.patches.shape == (k, 32, 32, 32, 1)
    assert spine.centre_line_mm.shape == (len(volume.hu), 3)
    x, y = anatomy.canal_at(np.arange(len(volume.hu)) * 2.5)
    off = np.hypot(spine.centre_line_mm[:, 0] - x, spine.centre_line_mm[:, 1] - y)
    assert off.max() < 1.5  # the canal's own curve between two slices 30 mm apart
    assert spine.flags == ()


def test_no_confident_box_is_no_spine():
    volume = anatomy.sample((2.5, 2.0, 2.0))
    indices = pick(len(volume.hu), 2.5)
    heads = np.full((len(indices), DETECTOR.grid, DETECTOR.grid, DETECTOR.head_channels), -9, np.float32)
    with pytest.raises(StudyRefused, match="SPINE_NOT_FOUND"):
        prepare(volume.hu, volume.spacing_mm, indices, heads)
