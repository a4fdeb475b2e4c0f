# SPDX-License-Identifier: Apache-2.0
"""The networks of a whole ensemble as they are served: all members under all flips in one graph each.

What is exported are these two Keras models, and the evaluation and the search call the same. A member may see less of
a patch than the preparation makes: its own view of it is the first layers of the graph, so the contract does not change
with the ensemble.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import keras
import numpy as np
from keras import layers, ops

from vcf_contract.contract import (
    FEATURE_ROWS,
    LOCATION,
    PATCH_ENCODER,
    PATCH_PROBABILITY,
    PATCHES,
    SEQUENCE_HEAD,
    STUDY_PROBABILITY,
)
from vcf_contract.spec import PATCH, PatchSpec
from vcf_preprocess.aggregate import NOT_LEARNED
from vcf_training import variants
from vcf_training.architecture import FLIPS, MAX_FILTER, Architecture
from vcf_training.patch_variants import axis_weights, window_change

Tensor: TypeAlias = Any
"""A tensor of Keras: symbolic while a graph is made, values when it runs."""


@dataclass(frozen=True)
class Member:
    """One trained member.

    encoder
        F_rep, as `variants.patch_encoder` makes it for ``patch``.
    head
        F_seq and F_agg, as `variants.classifier` makes them.
    """

    name: str
    architecture: Architecture
    patch: PatchSpec
    encoder: keras.Model
    head: keras.Model

    @property
    def features(self) -> int:
        """Numbers that F_rep gives of one patch."""
        width: int = self.encoder.output_shape[-1]
        return width


def patch_encoder(members: Sequence[Member]) -> keras.Model:
    """Patches (n, H, W, Z, 1) to the features (n, D) of every member under every flip, member by member."""
    patches = keras.Input((*PATCH.grid, 1), name=PATCHES.name)
    seen = {spec: _flips(patches, spec) for spec in dict.fromkeys(member.patch for member in members)}
    rows = [_Beside(member.features)(member.encoder(seen[member.patch])) for member in members]
    return keras.Model(patches, layers.Concatenate(name=FEATURE_ROWS.name)(rows), name=PATCH_ENCODER.name)


def sequence_head(members: Sequence[Member]) -> keras.Model:
    """Features (k, D) and location (k,) of one study to patch and study probabilities.

    Patch probabilities (members, flips, k), and study probabilities (members, flips) with ``NOT_LEARNED`` where a
    member's F_agg is the maximum.
    """
    width = len(FLIPS) * sum(member.features for member in members)
    features = keras.Input(batch_shape=(None, width), name=FEATURE_ROWS.name)
    location = keras.Input(batch_shape=(None,), name=LOCATION.name)
    patch, study, start = [], [], 0
    for member in members:
        answers = MemberHead(member, start, name=f"member_{member.name}")([features, location])
        patch.append(answers[0])
        study.append(answers[1])
        start += len(FLIPS) * member.features
    outputs = [_Stack(name=PATCH_PROBABILITY.name)(patch), _Stack(name=STUDY_PROBABILITY.name)(study)]
    return keras.Model([features, location], outputs, name=SEQUENCE_HEAD.name)


def _flips(patches: Tensor, spec: PatchSpec) -> Tensor:
    """All patches, then all mirrored ones: one batch is a sixth faster than a pass for each flip."""
    seen = patches if spec == PATCH else View(spec)(patches)
    return layers.Concatenate(axis=0)([seen, Mirror()(seen)])


class View(layers.Layer):  # type: ignore[misc]
    """The served patches (n, H, W, Z, 1) as a member of another box, grid or HU window sees them.

    Voxels are means over the served ones, by one matrix product an axis (`patch_variants.axis_weights`).
    """

    def __init__(self, spec: PatchSpec) -> None:
        super().__init__(dtype="float32")
        self.spec = spec
        self.weights_hwz = axis_weights(spec)
        self.change = window_change(spec)

    def call(self, inputs: Tensor) -> Tensor:
        along_h, along_w, along_z = (weights.T for weights in self.weights_hwz)
        x = ops.matmul(ops.squeeze(inputs, -1), along_z)  # (n, H, W, z)
        x = ops.matmul(ops.transpose(x, (0, 1, 3, 2)), along_w)  # (n, H, z, w)
        x = ops.matmul(ops.transpose(x, (0, 3, 2, 1)), along_h)  # (n, w, z, h)
        gain, offset = self.change
        share = ops.clip(np.float32(gain) * x + np.float32(offset), 0.0, 1.0)
        return ops.expand_dims(ops.transpose(share, (0, 3, 1, 2)), -1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape[0], *self.spec.grid, 1


class Mirror(layers.Layer):  # type: ignore[misc]
    """Patches (n, H, W, Z, 1) mirrored left to right. As a selection of indices: every runtime takes that."""

    def call(self, inputs: Tensor) -> Tensor:
        return ops.take(inputs, np.arange(inputs.shape[3] - 1, -1, -1), axis=3)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape


class _Beside(layers.Layer):  # type: ignore[misc]
    """Features (f·n, D) of all patches flip by flip, to (n, f·D): a patch's flips beside each other."""

    def __init__(self, width: int) -> None:
        super().__init__(dtype="float32")
        self.width = width

    def call(self, inputs: Tensor) -> Tensor:
        by_flip = ops.reshape(inputs, (len(FLIPS), -1, self.width))
        return ops.reshape(ops.transpose(by_flip, (1, 0, 2)), (-1, len(FLIPS) * self.width))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return None, len(FLIPS) * self.width


class MemberHead(layers.Layer):  # type: ignore[misc]
    """F_seq and F_agg of one member for one whole study under all flips, with the layers of its ``head``.

    Features (k, D) of the ensemble, of which the member's begin at column ``start``, and location (k,), to patch
    probabilities (1, f, k) and study probabilities (1, f). A study is not padded, so nothing is masked. Products are
    written out where a Keras layer would compute its shapes in the graph.
    """

    def __init__(self, member: Member, start: int, name: str) -> None:
        super().__init__(name=name, dtype="float32")
        self.member, self.start = member, start
        self.head = member.head  # tracked by Keras: the weights of this layer

    def call(self, inputs: list[Tensor]) -> tuple[Tensor, Tensor]:
        features, location = inputs
        built, width, flips = self.member.architecture, self.member.features, len(FLIPS)
        project, column, sequences = self.head.get_layer("projection"), ops.reshape(location, (-1, 1)), []
        for start in range(self.start, self.start + flips * width, width):
            rows = project(features[:, start : start + width])
            sequences.append(ops.concatenate([rows, column], axis=-1) if built.location else rows)
        x = ops.stack(sequences)  # (f, k, width): a sequence for each flip
        if built.sequence == "lstm":
            x = ops.concatenate([x, self.head.get_layer("lstm")(x)], axis=-1)
        elif built.sequence == "bilstm":
            x = ops.concatenate([x, self.head.get_layer(variants.BOTH_WAYS)(x)], axis=-1)
        judge = self.head.get_layer("classifier")
        probability = ops.sigmoid(ops.sum(x * ops.reshape(judge.kernel, (-1,)), axis=-1) + judge.bias)  # (f, k)
        if built.aggregation == "bilstm":
            seen = ops.concatenate([x, ops.expand_dims(probability, -1)], axis=-1)
            summary = self.head.get_layer(variants.AGGREGATION)(seen)
            study = ops.squeeze(self.head.get_layer(variants.STUDY)(summary), axis=-1)
        else:  # a constant by what it is, but made of an input: not every runtime takes an output that depends on none
            study = ops.max(probability, axis=-1) * 0 + NOT_LEARNED
        if built.sequence == "max":
            pooled = ops.max_pool(ops.expand_dims(probability, -1), MAX_FILTER, 1, "same", data_format="channels_last")
            probability = ops.squeeze(pooled, axis=-1)
        return ops.expand_dims(probability, 0), ops.expand_dims(study, 0)

    def compute_output_shape(self, input_shape: list[tuple[int | None, ...]]) -> tuple[tuple[int | None, ...], ...]:
        return (1, len(FLIPS), input_shape[1][0]), (1, len(FLIPS))


class _Stack(layers.Layer):  # type: ignore[misc]
    """Answers of the members, one after the other along the first axis."""

    def call(self, inputs: list[Tensor]) -> Tensor:
        return ops.concatenate(inputs, axis=0)

    def compute_output_shape(self, input_shape: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        return len(input_shape), *input_shape[0][1:]
