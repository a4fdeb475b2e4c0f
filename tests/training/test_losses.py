# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

from vcf_contract.spec import DETECTOR  # noqa: E402
from vcf_preprocess import aggregate, yolo  # noqa: E402
from vcf_training import losses  # noqa: E402


def bce(label: float, p: float) -> float:
    return float(-(label * np.log(p) + (1 - label) * np.log(1 - p)))


def test_joint_loss_by_hand() -> None:
    probability = tf.constant([[0.2, 0.9, 0.4]])
    label = tf.constant([[0.0, 1.0, 0.0]])
    ones = tf.ones((1, 3))
    patches = (bce(0, 0.2) + bce(1, 0.9) + bce(0, 0.4)) / 3
    plain = losses.joint_loss(probability, label, ones, ones, sequence_weight=0.5, smoothed=False)
    assert float(plain) == pytest.approx(bce(1, 0.9) + 0.5 * patches, rel=1e-5)
    smoothed = losses.joint_loss(probability, label, ones, ones)
    assert float(smoothed) == pytest.approx(bce(1, 0.2 / 4 + 0.9 / 2 + 0.4 / 4) + patches, rel=1e-5)


def test_padding_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    p, y, w = rng.uniform(0.1, 0.9, (2, 5)), rng.integers(0, 2, (2, 5)), rng.integers(0, 2, (2, 5))
    arrays = [np.asarray(a, np.float32) for a in (p, y, w, np.ones((2, 5)))]
    padded = [
        np.concatenate([a, np.full((2, 3), fill, np.float32)], 1) for a, fill in zip(arrays, (1, 1, 1, 0), strict=True)
    ]
    assert float(losses.joint_loss(*padded)) == pytest.approx(float(losses.joint_loss(*arrays)), rel=1e-6)


def test_unknown_patch_labels_are_left_out_of_the_patch_term() -> None:
    one = tf.ones((1, 2))
    known = tf.constant([[1.0, 0.0]])
    losses_found = [
        float(losses.joint_loss(tf.constant([[0.3, p]]), tf.zeros((1, 2)), known, one, smoothed=False))
        for p in (0.1, 0.2)
    ]
    assert losses_found[0] == pytest.approx(losses_found[1])


def test_smoothing_is_the_served_one() -> None:
    p = np.random.default_rng(1).random((3, 7)).astype(np.float32)
    found = losses.smooth(tf.constant(p), tf.ones((3, 7))).numpy()
    np.testing.assert_allclose(found, aggregate.smooth(p), atol=1e-6)


def test_anatomy_loss_counts_known_rows_only() -> None:
    truth = np.full((1, 3, 5), np.nan, np.float32)
    truth[0, 0] = [1, 2.0, 2.1, 2.2, 0]
    truth[0, 1, [0, 4]] = 0  # a disc: no heights
    found = np.zeros((1, 3, 5), np.float32)
    found[0, 0, 1:4] = [2.5, 2.1, 2.2]
    expected = 2 * np.log(2) + 0.5  # two undecided flags, and one height 0.5 off over its one known row
    assert float(losses.anatomy_loss(found, truth)) == pytest.approx(expected, rel=1e-5)
    found[0, 2] = 99  # unknown row
    assert float(losses.anatomy_loss(found, truth)) == pytest.approx(expected, rel=1e-5)


def _head_of(where: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The head that states exactly the targets: logits of the offsets, confident at one anchor, silent elsewhere."""
    head = np.zeros((len(where), DETECTOR.grid, DETECTOR.grid, len(DETECTOR.anchors_mm), 5), np.float32)
    head[..., 4] = -20
    for image, ((row, column, anchor), (x, y, w, h)) in enumerate(zip(where, values, strict=True)):
        if row >= 0:
            head[image, row, column, anchor] = [np.log(x / (1 - x)), np.log(y / (1 - y)), w, h, 20]
    return head.reshape(len(where), DETECTOR.grid, DETECTOR.grid, -1)


def test_targets_decode_to_the_boxes_they_came_from() -> None:
    rng = np.random.default_rng(2)
    boxes_mm = np.concatenate([rng.uniform(20, 380, (40, 2)), rng.uniform(12, 32, (40, 2))], 1)
    where, values = losses.yolo_targets(boxes_mm)
    decoded = yolo.decode(_head_of(where, values))
    np.testing.assert_allclose(decoded.centre_px * DETECTOR.pixel_mm, boxes_mm[:, :2], atol=1e-3)
    np.testing.assert_allclose(decoded.size_px * DETECTOR.pixel_mm, boxes_mm[:, 2:], rtol=1e-5)


def test_responsible_anchor_is_the_nearest_in_shape() -> None:
    for index, (width, height) in enumerate(DETECTOR.anchors_mm):
        where, values = losses.yolo_targets(np.array([[200.0, 200.0, width, height]]))
        assert where[0, 2] == index
        np.testing.assert_allclose(values[0, 2:], 0, atol=1e-6)


def test_no_canal_gives_no_target() -> None:
    where, _ = losses.yolo_targets(np.array([[200.0, 200.0, 0, 0], [-5.0, 200.0, 20, 20], [200.0, 9999.0, 20, 20]]))
    assert (where == -1).all()


def test_yolo_loss_is_near_zero_at_its_target_and_rises_away_from_it() -> None:
    boxes_mm = np.array([[201.0, 155.0, 22.0, 17.0], [0.0, 0.0, 0.0, 0.0]])
    where, values = losses.yolo_targets(boxes_mm)
    head = _head_of(where, values)
    at_target = float(losses.yolo_loss(head, where, values))
    assert at_target < 1e-5
    row, column, anchor = where[0]
    for channel, shift in ((0, 1.0), (2, 0.5), (4, -30.0)):
        moved = head.copy()
        moved[0, row, column, 5 * anchor + channel] += shift
        assert float(losses.yolo_loss(moved, where, values)) > at_target + 0.01
    invented = head.copy()
    invented[1, 3, 3, 4] = 10  # a confident box on the image without a canal
    assert float(losses.yolo_loss(invented, where, values)) > at_target + 1


def test_an_anchor_that_overlaps_the_truth_is_not_pushed_down() -> None:
    where, values = losses.yolo_targets(np.array([[201.0, 155.0, 23.0, 18.0]]))
    row, column, anchor = where[0]
    head = _head_of(where, values)
    other = (anchor + 1) % len(DETECTOR.anchors_mm)
    head = head.reshape(1, DETECTOR.grid, DETECTOR.grid, -1, 5)
    anchors = np.array(DETECTOR.anchors_mm)
    head[0, row, column, other] = [*head[0, row, column, anchor, :2], *np.log([23.0, 18.0] / anchors[other]), 10]
    near = float(losses.yolo_loss(head.reshape(1, DETECTOR.grid, DETECTOR.grid, -1), where, values))
    assert near < 1e-5
