# SPDX-License-Identifier: Apache-2.0
"""The Keras networks: canal detector, F_rep and F_seq (paper §2.1 and §2.3).

Each function returns an untrained ``keras.Model`` whose inputs and outputs carry the names of the contract, so
that the exported graph needs no renaming. ``dtype`` is Keras' policy: ``mixed_bfloat16`` trains faster on CPUs
that have bf16 arithmetic and keeps float32 weights; what is exported is always built in float32.
"""

import keras
from keras import layers, ops

from vcf_contract.contract import CANAL_GRID, FEATURE_ROWS, GRID, PATCHES, SLICE_IMAGES
from vcf_contract.spec import DETECTOR

ENCODER_FILTERS = (8, 16, 32)
PROJECTION_UNITS = 32
LSTM_UNITS = 32
DETECTOR_LAYERS = ((8, 2, 1), (16, 1, 1), (32, 1, 1), (64, 1, 1), (96, 1, 1), (96, 1, 2), (96, 1, 4))
"""(filters, stride, dilation) of the 3×3 convolutions; a 2× max pool follows the second to fourth."""
POOL_AFTER = (1, 2, 3)
PASSTHROUGH_FILTERS = 64


def patch_encoder(
    grid: tuple[int, int, int] = GRID, *, member: str = "a", dtype: str = "float32", initializer: str = "he_normal"
) -> keras.Model:
    """F_rep: patches (n, H, W, Z, 1) in [0, 1] to features (n, D).

    Three blocks of two 3×3×3 convolutions and a 2× max pool, filters doubling from 8, flattened: 53,896
    parameters whatever the grid. There is no batch normalisation, so a patch's features never depend on
    the patches that share its batch.
    """
    if any(side % 8 for side in grid):
        raise ValueError(f"grid {grid}: every side must be a multiple of 8, there are three 2× max pools")
    inputs = x = keras.Input((*grid, 1), name=PATCHES.name)
    for block, filters in enumerate(ENCODER_FILTERS, start=1):
        for step in (1, 2):
            x = layers.Conv3D(
                filters,
                3,
                padding="same",
                activation="relu",
                kernel_initializer=initializer,
                dtype=dtype,
                name=f"block{block}_conv{step}",
            )(x)
        x = layers.MaxPooling3D(2, dtype=dtype, name=f"block{block}_pool")(x)
    outputs = Rows(x.shape[1] * x.shape[2] * x.shape[3] * x.shape[4], name=FEATURE_ROWS.name)(x)
    return keras.Model(inputs, outputs, name=f"encoder_{member}")


def head_layers() -> tuple[layers.Layer, layers.Layer, layers.Layer]:
    """The three layers with weights of F_seq: projection, LSTM over the patches, patch classifier.

    The projection keeps the LSTM small: without it the LSTM's input kernel alone would hold five times the
    parameters of the encoder.
    """
    return (
        layers.Dense(PROJECTION_UNITS, activation="relu", kernel_initializer="he_normal", name="projection"),
        layers.LSTM(LSTM_UNITS, return_sequences=True, name="lstm"),
        layers.Dense(1, activation="sigmoid", name="classifier"),
    )


class Rows(layers.Layer):  # type: ignore[misc]
    """Everything but the last axis to rows: (n, …) to (m, width), a constant shape in the exported graph."""

    def __init__(self, width: int, name: str) -> None:
        super().__init__(name=name, dtype="float32")
        self.width = width

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        return ops.reshape(inputs, (-1, self.width))


def canal_detector(*, batch_norm: bool = True, dtype: str = "float32") -> keras.Model:
    """Single-shot detector in the manner of YOLOv2: slice images (n, 256, 256, 1) to raw heads (n, 16, 16, 15).

    About 0.3 GFLOP an image. The last convolutions of the trunk are dilated, so each cell sees the whole body: the
    canal is told from other soft tissue inside bone by where it lies. A passthrough (YOLOv2, §2 "fine-grained
    features") brings the 32 × 32 features to the head, which places the box inside its 26 mm cell.
    ``batch_norm=False`` gives the served form, whose convolutions have absorbed the normalisation
    (``fold_batch_norm``).
    """

    def convolve(x: keras.KerasTensor, name: str, filters: int, size: int, **how: int) -> keras.KerasTensor:
        x = layers.Conv2D(
            filters,
            size,
            padding="same",
            use_bias=not batch_norm,
            kernel_initializer="he_normal",
            dtype=dtype,
            name=name,
            **how,
        )(x)
        if batch_norm:
            x = layers.BatchNormalization(momentum=0.97, dtype=dtype, name=f"{name}_norm")(x)
        return layers.LeakyReLU(negative_slope=0.1, dtype=dtype, name=f"{name}_relu")(x)

    side = DETECTOR.image_px
    inputs = x = keras.Input((side, side, 1), name=SLICE_IMAGES.name)
    fine = x
    for n, (filters, stride, dilation) in enumerate(DETECTOR_LAYERS):
        x = convolve(x, f"conv{n}", filters, 3, strides=stride, dilation_rate=dilation)
        if n in POOL_AFTER:
            fine = x
            x = layers.MaxPooling2D(2, dtype=dtype, name=f"pool{n}")(x)
    passed = convolve(fine, "passthrough", PASSTHROUGH_FILTERS, 2, strides=2)
    x = layers.Concatenate(dtype=dtype, name="joined")([x, passed])
    x = convolve(x, "place", DETECTOR_LAYERS[-1][0], 3)
    outputs = layers.Conv2D(DETECTOR.head_channels, 1, dtype="float32", name=CANAL_GRID.name)(x)
    return keras.Model(inputs, outputs, name="spinal_cord_detector")


def fold_batch_norm(trained: keras.Model) -> keras.Model:
    """The detector's served form: the same function with each normalisation folded into its convolution."""
    served = canal_detector(batch_norm=False)
    for layer in served.layers:
        if not isinstance(layer, layers.Conv2D):
            continue
        weights = trained.get_layer(layer.name).get_weights()
        if layer.name != CANAL_GRID.name:
            norm = trained.get_layer(f"{layer.name}_norm")
            gamma, beta, mean, variance = norm.get_weights()
            scale = gamma / (variance + norm.epsilon) ** 0.5
            weights = [weights[0] * scale, beta - mean * scale]
        layer.set_weights(weights)
    return served
