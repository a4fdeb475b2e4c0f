# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from vcf_contract.spec import DETECTOR
from vcf_preprocess.yolo import decode

SIDE, CHANNELS = DETECTOR.grid, DETECTOR.head_channels


def head(cell_x, cell_y, anchor, values, background=-8.0):
    grid = np.zeros((1, SIDE, SIDE, CHANNELS), np.float32)
    grid[..., 4::5] = background
    grid[0, cell_y, cell_x, 5 * anchor : 5 * anchor + 5] = values
    return grid


@pytest.mark.parametrize(("cell_x", "cell_y", "anchor"), [(0, 0, 0), (7, 11, 1), (15, 15, 2)])
def test_the_formula_of_yolov2(cell_x, cell_y, anchor):
    tx, ty, tw, th, to = 0.3, -1.2, 0.2, -0.4, 2.0
    boxes = decode(head(cell_x, cell_y, anchor, [tx, ty, tw, th, to]))
    sigmoid = lambda t: 1 / (1 + np.exp(-t))  # noqa: E731
    stride, width, height = DETECTOR.stride_px, *(a / DETECTOR.pixel_mm for a in DETECTOR.anchors_mm[anchor])
    np.testing.assert_allclose(
        boxes.centre_px[0], [(cell_x + sigmoid(tx)) * stride, (cell_y + sigmoid(ty)) * stride], rtol=1e-6
    )
    np.testing.assert_allclose(boxes.size_px[0], [width * np.exp(tw), height * np.exp(th)], rtol=1e-6)
    assert boxes.confidence[0] == pytest.approx(sigmoid(to))


def test_the_most_confident_box_of_each_slice_wins():
    grid = np.concatenate([head(3, 4, 0, [0, 0, 0, 0, 1.0]), head(9, 2, 1, [0, 0, 0, 0, -1.0])])
    grid[0, 12, 12, 14] = 0.5
    boxes = decode(grid)
    np.testing.assert_allclose(boxes.centre_px / DETECTOR.stride_px, [[3.5, 4.5], [9.5, 2.5]])


def test_an_extreme_head_gives_finite_boxes():
    boxes = decode(head(0, 0, 0, [1e30, -1e30, 1e30, -1e30, 1e30]))
    assert np.isfinite(boxes.size_px).all()
    assert np.isfinite(boxes.centre_px).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(bad):
    with pytest.raises(ValueError, match="finite"):
        decode(head(0, 0, 0, [bad, 0, 0, 0, 0]))


def test_another_shape_is_refused():
    with pytest.raises(ValueError, match="shape"):
        decode(np.zeros((1, SIDE, SIDE + 1, CHANNELS)))
