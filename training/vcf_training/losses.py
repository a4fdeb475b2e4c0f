# SPDX-License-Identifier: Apache-2.0
"""Losses: the joint loss of the classifier (paper §2.3) and the YOLOv2 loss of the detector."""

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from vcf_contract.spec import DETECTOR, DetectorSpec

_EPSILON = 1e-6


def binary_cross_entropy(label: tf.Tensor, probability: tf.Tensor) -> tf.Tensor:
    """Elementwise, in nats, with the probability clipped to [1e-6, 1 − 1e-6]."""
    p = tf.clip_by_value(probability, _EPSILON, 1 - _EPSILON)
    return -(label * tf.math.log(p) + (1 - label) * tf.math.log(1 - p))


def smooth(probability: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
    """[¼, ½, ¼] along the patches, renormalised where a neighbour is missing; shapes (b, k)."""
    kernel = tf.constant([0.25, 0.5, 0.25])[:, None, None]

    def convolve(x: tf.Tensor) -> tf.Tensor:
        return tf.nn.conv1d(x[..., None], kernel, stride=1, padding="SAME")[..., 0]

    return convolve(probability * valid) / tf.maximum(convolve(valid), _EPSILON)


def study_probability(probability: tf.Tensor, valid: tf.Tensor, *, smoothed: bool = True) -> tf.Tensor:
    """F_agg: maximum over the valid patches, after smoothing; (b, k) to (b,)."""
    scores = smooth(probability, valid) if smoothed else probability
    return tf.reduce_max(scores * valid, axis=1)


def joint_loss(
    probability: tf.Tensor,
    patch_label: tf.Tensor,
    patch_weight: tf.Tensor,
    valid: tf.Tensor,
    *,
    sequence_weight: float = 1.0,
    smoothed: bool = True,
    aggregated: tf.Tensor | None = None,
) -> tf.Tensor:
    """L = L1(study) + λ L2(patches), both binary cross entropy (paper §2.3).

    All inputs (b, k). ``valid`` is 0 on padding. ``patch_weight`` is 0 where the patch's own label is
    unknown; the study's label is the largest label of its valid patches. ``aggregated`` (b,) is F_agg where it is
    not the (``smoothed``) maximum.
    """
    study_label = tf.reduce_max(patch_label * valid, axis=1)
    if aggregated is None:
        aggregated = study_probability(probability, valid, smoothed=smoothed)
    study = tf.reduce_mean(binary_cross_entropy(study_label, aggregated))
    weight = patch_weight * valid
    patches = tf.reduce_sum(weight * binary_cross_entropy(patch_label, probability))
    return study + sequence_weight * patches / tf.maximum(tf.reduce_sum(weight), 1.0)


def anatomy_loss(found: tf.Tensor, truth: tf.Tensor) -> tf.Tensor:
    """Tell how well rows of patches are understood; both (n, H, 5), the truth as in ``Studies.anatomy``, found as
    logits.

    Cross entropy of "inside a body" and "inside a fractured body", and the absolute error of the three heights;
    each a mean over the rows where the truth is known (not NaN).
    """
    known = tf.math.is_finite(truth)
    safe = tf.where(known, truth, tf.zeros_like(truth))
    weight = tf.cast(known, tf.float32)
    flags = tf.nn.sigmoid_cross_entropy_with_logits(labels=safe, logits=found)
    error = tf.concat([flags[..., :1], tf.abs(found - safe)[..., 1:4], flags[..., 4:]], -1)
    per_kind = tf.reduce_sum(weight * error, (0, 1)) / tf.maximum(tf.reduce_sum(weight, (0, 1)), 1.0)
    return tf.reduce_sum(per_kind)


def yolo_targets(
    boxes_mm: NDArray[Any], spec: DetectorSpec = DETECTOR
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Responsible cell and anchor of each image's one box, and the values its head should take.

    Parameters
    ----------
    boxes_mm
        (n, 4) centre x, centre y, width, height in mm from the image's top left corner;
        a width of 0 or a centre outside the image means that the image holds no canal.

    Returns
    -------
    tuple[NDArray[np.int32], NDArray[np.float32]]
        ``where`` (n, 3) int32 row, column, anchor (−1 where there is no box) and ``values`` (n, 4) float32:
        the offsets inside the cell in [0, 1) and log(size / anchor). The responsible anchor is the one of
        largest overlap with the box when both are centred on the same point (YOLOv2, §2 "dimension clusters").
    """
    boxes_px = np.asarray(boxes_mm, np.float64) / spec.pixel_mm
    anchors = np.asarray(spec.anchors_mm) / spec.pixel_mm
    cell = boxes_px[:, :2] / spec.stride_px
    index = np.floor(cell).astype(int)
    present = (boxes_px[:, 2:] > 0).all(1) & ((index >= 0) & (index < spec.grid)).all(1)
    size = np.where(present[:, None], boxes_px[:, 2:], 1.0)
    shared = np.minimum(size[:, None], anchors).prod(-1)
    overlap = shared / (size.prod(-1)[:, None] + anchors.prod(-1) - shared)
    anchor = overlap.argmax(1)
    where = np.stack([index[:, 1], index[:, 0], anchor], 1)
    where[~present] = -1
    values = np.concatenate([cell - index, np.log(size / anchors[anchor])], 1)
    return where.astype(np.int32), np.where(present[:, None], values, 0).astype(np.float32)


def _overlap_with_truth(tx_ty: tf.Tensor, tw_th: tf.Tensor, truth: tf.Tensor, spec: DetectorSpec) -> tf.Tensor:
    """IoU of every predicted box with the image's true box, in cell units; (n, g, g, a)."""
    anchors = tf.constant(np.asarray(spec.anchors_mm) / spec.pixel_mm / spec.stride_px, tf.float32)
    grid = tf.range(spec.grid, dtype=tf.float32)
    corner = tf.stack(tf.meshgrid(grid, grid, indexing="xy"), -1)[None, :, :, None]
    centre = tf.sigmoid(tx_ty) + corner
    half = 0.5 * anchors * tf.exp(tf.clip_by_value(tw_th, -4.0, 4.0))
    truth = truth[:, None, None, None]
    true_half = truth[..., 2:] / 2
    low = tf.maximum(centre - half, truth[..., :2] - true_half)
    high = tf.minimum(centre + half, truth[..., :2] + true_half)
    shared = tf.reduce_prod(tf.maximum(high - low, 0.0), -1)
    union = tf.reduce_prod(2 * half, -1) + tf.reduce_prod(truth[..., 2:], -1) - shared
    return shared / tf.maximum(union, _EPSILON)


def yolo_loss(
    head: tf.Tensor,
    where: tf.Tensor,
    values: tf.Tensor,
    *,
    no_object_weight: float = 0.5,
    centre_weight: float = 25.0,
    size_weight: float = 2.5,
    ignore_overlap: float = 0.5,
    spec: DetectorSpec = DETECTOR,
) -> tf.Tensor:
    """YOLOv2's loss, mean over images: coordinates, and objectness by cross entropy.

    The responsible anchor's objectness goes to 1 and all others' to 0, but an anchor whose box already
    overlaps the truth by ``ignore_overlap`` is not pushed down. The centre weighs more than the size, which the
    centre line never uses. ``head`` is the raw (n, g, g, 5·anchors)
    output; ``where`` and ``values`` come from ``yolo_targets``.
    """
    anchor_count = len(spec.anchors_mm)
    raw = tf.reshape(head, (-1, spec.grid, spec.grid, anchor_count, 5))
    present = tf.cast(where[:, 0] >= 0, tf.float32)
    safe = tf.maximum(where, 0)
    at = tf.concat([tf.range(tf.shape(safe)[0])[:, None], safe], 1)
    responsible = tf.scatter_nd(at, present, tf.shape(raw)[:4])

    own = tf.gather_nd(raw, at)
    offsets = tf.reduce_sum(tf.square(tf.sigmoid(own[:, :2]) - values[:, :2]), 1)
    sizes = tf.reduce_sum(tf.square(own[:, 2:4] - values[:, 2:]), 1)
    coordinates = present * (centre_weight * offsets + size_weight * sizes)

    anchors = tf.constant(np.asarray(spec.anchors_mm) / spec.pixel_mm / spec.stride_px, tf.float32)
    corner = tf.cast(safe[:, 1::-1], tf.float32)
    truth = tf.concat([corner + values[:, :2], tf.gather(anchors, safe[:, 2]) * tf.exp(values[:, 2:])], 1)
    overlap = tf.stop_gradient(_overlap_with_truth(raw[..., :2], raw[..., 2:4], truth, spec))
    near = tf.cast(overlap > ignore_overlap, tf.float32) * present[:, None, None, None]
    objectness = tf.nn.sigmoid_cross_entropy_with_logits(labels=responsible, logits=raw[..., 4])
    weight = responsible + no_object_weight * (1 - responsible) * (1 - near)
    return tf.reduce_mean(coordinates + tf.reduce_sum(weight * objectness, (1, 2, 3)))
