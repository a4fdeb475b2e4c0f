# SPDX-License-Identifier: Apache-2.0
"""One member's networks as they are trained, of any of the paper's architectures (§2.3, §3.3)."""

import keras
import tensorflow as tf
from keras import layers, ops

from vcf_contract.contract import FEATURE_ROWS, GRID, LOCATION, PATCHES
from vcf_training import models
from vcf_training.architecture import MAX_FILTER, Architecture
from vcf_training.losses import study_probability

SHALLOW_FILTERS, SHALLOW_KERNEL, SHALLOW_POOL = 32, 5, 8
"""The shallow F_rep gives as many features as the deep one, so that the same F_seq follows."""
AGGREGATION_UNITS = 8
BOTH_WAYS, AGGREGATION, STUDY = "both_ways", "aggregation", "study"
"""Layers of `classifier` beside those of `models.head_layers`: F_seq and F_agg as BiLSTMs, and the study's judge."""


def patch_encoder(
    architecture: Architecture,
    grid: tuple[int, int, int] = GRID,
    *,
    member: str = "a",
    dtype: str = "float32",
    initializer: str = "he_normal",
) -> keras.Model:
    """F_rep: patches (n, H, W, Z, 1) in [0, 1] to features (n, D)."""
    if architecture.representation == "deep":
        return models.patch_encoder(grid, member=member, dtype=dtype, initializer=initializer)
    if any(side % SHALLOW_POOL for side in grid):
        raise ValueError(f"grid {grid}: every side must be a multiple of {SHALLOW_POOL}")
    inputs = keras.Input((*grid, 1), name=PATCHES.name)
    x = layers.Conv3D(
        SHALLOW_FILTERS,
        SHALLOW_KERNEL,
        padding="same",
        activation="relu",
        kernel_initializer=initializer,
        dtype=dtype,
        name="block1_conv1",
    )(inputs)
    x = layers.MaxPooling3D(SHALLOW_POOL, dtype=dtype, name="block1_pool")(x)
    width = x.shape[1] * x.shape[2] * x.shape[3] * x.shape[4]
    return keras.Model(inputs, models.Rows(width, name=FEATURE_ROWS.name)(x), name=f"encoder_{member}")


def classifier(architecture: Architecture, features: int) -> keras.Model:
    """F_seq and F_agg over padded studies.

    Features (b, k, D), location (b, k) and valid (b, k; 0 on the padding at the feet) to patch probabilities (b, k)
    and study probability (b,) as the loss takes it. The LSTM runs from head to feet, and a patch is judged by its own
    projection and by what the LSTM saw down to it, so padding at the feet changes nothing that comes before it.
    """
    projection, lstm, judge = models.head_layers()
    rows = keras.Input((None, features), name=FEATURE_ROWS.name)
    location = keras.Input((None,), name=LOCATION.name)
    valid = keras.Input((None,), name="valid")
    known = ops.cast(valid, "bool")
    judged = projection(rows)
    if architecture.location:
        judged = layers.Concatenate(name="located")([judged, ops.expand_dims(location, -1)])
    if architecture.sequence == "lstm":
        judged = layers.Concatenate(name="judged")([judged, lstm(judged)])
    elif architecture.sequence == "bilstm":
        both = layers.Bidirectional(lstm, name=BOTH_WAYS)(judged, mask=known)
        judged = layers.Concatenate(name="judged")([judged, both])
    probability = ops.squeeze(judge(judged), axis=-1)
    if architecture.aggregation == "bilstm":
        seen = layers.Concatenate(name="seen")([judged, ops.expand_dims(probability, -1)])
        summary = layers.Bidirectional(layers.LSTM(AGGREGATION_UNITS), name=AGGREGATION)(seen, mask=known)
        study = ops.squeeze(layers.Dense(1, activation="sigmoid", name=STUDY)(summary), axis=-1)
        if architecture.sequence == "max":
            probability = _EnvironmentMaximum(name="environment")([probability, valid])
    else:
        if architecture.sequence == "max":
            probability = _EnvironmentMaximum(name="environment")([probability, valid])
        smoothed = architecture.aggregation == "smoothed_max"
        study = _StudyMaximum(smoothed=smoothed, name=STUDY)([probability, valid])
    return keras.Model([rows, location, valid], [probability, study], name="classifier")


def targets(
    architecture: Architecture, label: tf.Tensor, weight: tf.Tensor, valid: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Label and weight (b, k) that patch probabilities are compared with.

    A patch that is scored by the maximum of its environment answers for the environment: it is positive where any
    patch in it is known to be, and negative where all of it is known to be sound.
    """
    if architecture.sequence != "max":
        return label, weight
    positive = environment_maximum(label * weight * valid)
    decided = tf.maximum(positive, 1 - environment_maximum((1 - weight) * valid))
    # The study's label is the largest patch label, whatever is known of single patches.
    return tf.maximum(positive, label), decided


def environment_maximum(values: tf.Tensor) -> tf.Tensor:
    """Maximum over each patch and its neighbours; (b, k) to (b, k)."""
    return tf.nn.max_pool1d(values[..., None], MAX_FILTER, strides=1, padding="SAME")[..., 0]


class _EnvironmentMaximum(layers.Layer):  # type: ignore[misc]
    """Patch probabilities and valid, both (b, k), to the maximum over each environment (b, k)."""

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        probability, valid = inputs
        return environment_maximum(probability * valid)

    def compute_output_shape(self, input_shape: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        return input_shape[0]


class _StudyMaximum(layers.Layer):  # type: ignore[misc]
    """Patch probabilities and valid, both (b, k), to study probabilities (b,)."""

    def __init__(self, *, smoothed: bool, name: str) -> None:
        super().__init__(name=name)
        self.smoothed = smoothed

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        probability, valid = inputs
        return study_probability(probability, valid, smoothed=self.smoothed)

    def compute_output_shape(self, input_shape: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        return (input_shape[0][0],)
