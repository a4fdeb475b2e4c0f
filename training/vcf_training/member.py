# SPDX-License-Identifier: Apache-2.0
"""Training of one member: F_rep and F_seq end to end with the joint loss (paper §2.3, §3.2)."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from vcf_preprocess.aggregate import study_scores
from vcf_training import checkpoint, variants
from vcf_training.architecture import Architecture
from vcf_training.checkpoint import Checkpoint
from vcf_training.logs import Curves
from vcf_training.losses import anatomy_loss, joint_loss
from vcf_training.metrics import roc_auc
from vcf_training.presets import MemberPreset
from vcf_training.schedule import learning_rate
from vcf_training.studies import Batch, Sampler, Studies

Progress = Callable[[int, dict[str, float]], None]
ENCODER_BATCH = 64
FIRST_BLOCK = "block1_pool"
"""The last layer of F_rep's first block."""
SHOWN_LOSSES = 50
"""The loss beside the progress bar is the mean of so many."""


@dataclass(frozen=True)
class TrainedMember:
    """Weights of the step with the best ROC AUC on the tuning studies, averaged as ``MemberPreset.average`` says."""

    encoder: keras.Model
    head: keras.Model
    """``variants.classifier`` of the preset's architecture."""
    step: int
    tuning_auc: float
    history: list[tuple[int, float, float]]
    """(step, mean training loss, tuning AUC) of every evaluation."""


@dataclass(frozen=True)
class _Best:
    """The best evaluation so far; step 0 before the first."""

    auc: float = -1.0
    step: int = 0
    weights: list[NDArray[np.float32]] = field(default_factory=list)


def train(
    studies: Studies,
    tuning: Studies,
    preset: MemberPreset,
    *,
    member: str,
    seed: int,
    start: tuple[keras.Model, keras.Model] | None = None,
    progress: Progress = lambda *_: None,
    kept: Checkpoint | None = None,
    logs: Path | None = None,
) -> TrainedMember:
    """Train one member; the seed decides its random weights and the content of the batches.

    ``start`` is an F_rep and F_seq to go on from in place of random weights. With ``kept``, the training goes on from
    that checkpoint where there is one, and ends with the same weights, bit by bit, as one that never stopped.
    ``logs`` is a folder for TensorBoard.
    """
    checkpoint.make_deterministic(seed)
    height, width, depth = studies.patches.shape[1:]
    grid = height, width, depth
    built = preset.architecture
    encoder = variants.patch_encoder(built, grid, member=member, dtype=preset.dtype, initializer=preset.initializer)
    head = variants.classifier(built, encoder.output_shape[-1])
    if start is None:
        _expect_ct(encoder, studies)
    else:
        encoder.set_weights(start[0].get_weights())
        head.set_weights(start[1].get_weights())
    anatomy = keras.layers.Dense(height * 5, name="anatomy")
    anatomy.build((None, encoder.output_shape[-1]))
    served = encoder.trainable_variables + head.trainable_variables
    variables = served + (anatomy.trainable_variables if preset.anatomy_weight else [])
    optimizer = keras.optimizers.Adam(preset.learning_rate, global_clipnorm=5.0)
    optimizer.build(variables)
    # The shallow F_rep has no other block.
    features = _features(encoder, preset.first_block_share if built.representation == "deep" else 1.0)

    # One graph for all shapes: with one for the first shape seen and one for the others, a resumed training would
    # compute the same batch in another way than the one it continues.
    per_patch = tf.TensorSpec((None, None), tf.float32)
    voxels, rows_known = (tf.TensorSpec((None, None, *shape), tf.float32) for shape in (grid, (height, 5)))

    @tf.function(input_signature=[tf.TensorSpec((), tf.int32), voxels, *[per_patch] * 4, rows_known])  # type: ignore[untyped-decorator]
    def step(
        number: tf.Tensor,
        patches: tf.Tensor,
        location: tf.Tensor,
        label: tf.Tensor,
        weight: tf.Tensor,
        valid: tf.Tensor,
        known_anatomy: tf.Tensor,
    ) -> tf.Tensor:
        b, k = tf.shape(location)[0], tf.shape(location)[1]
        with tf.GradientTape() as tape:
            rows = features(patches, number)
            probability, study = head([tf.reshape(rows, (b, k, rows.shape[-1])), location, valid], training=True)
            label, weight = variants.targets(built, label, weight, valid)
            loss = joint_loss(
                probability, label, weight, valid, sequence_weight=preset.sequence_weight, aggregated=study
            )
            total = loss
            if preset.anatomy_weight:
                found = tf.reshape(anatomy(rows), (-1, height, 5))
                total += preset.anatomy_weight * anatomy_loss(found, tf.reshape(known_anatomy, (-1, height, 5)))
        gradients = tape.gradient(total, variables)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return loss

    severe_until, short_until = (
        share * preset.steps if start is None else 0 for share in (preset.severe_first, preset.short_first)
    )
    sampler = Sampler(studies, preset, np.random.default_rng(seed))
    done, best = 0, _Best()
    averaged = checkpoint.values(served)
    history: list[tuple[int, float, float]] = []
    losses: deque[float] = deque(maxlen=max(SHOWN_LOSSES, preset.evaluate_every))
    if kept and (found := kept.load()):
        state, arrays = found
        checkpoint.assign(variables, arrays["weights"])
        checkpoint.assign(optimizer.variables, arrays["optimizer"])
        averaged = arrays.get("averaged") or checkpoint.values(served)  # a checkpoint from before averages has none
        sampler.rng.bit_generator.state = state["random"]
        done, best = state["step"], _Best(state["best_auc"], state["best_step"], arrays.get("best", []))
        history = [(number, loss, auc) for number, loss, auc in state["history"]]
        losses.extend(state["losses"])
    curves = Curves(logs, resumed=done > 0)
    with ThreadPoolExecutor(1) as ahead:

        def draw(number: int) -> Future[Batch]:
            return ahead.submit(sampler.draw, severe_only=number < severe_until, short=number < short_until)

        coming = draw(done)
        for number in range(done + 1, preset.steps + 1):
            batch = coming.result()
            undrawn = sampler.rng.bit_generator.state  # before the next batch is drawn, beside this step
            coming = draw(number)
            optimizer.learning_rate = rate = learning_rate(
                number - 1, preset.steps, preset.learning_rate, constant=preset.constant_rate
            )
            known = batch.location, batch.label, batch.weight, batch.valid, batch.anatomy
            losses.append(float(step(number, batch.patches, *known)))
            curves.add(number, loss=losses[-1], learning_rate=rate)
            _move(averaged, served, keep=min(preset.average, number / (9 + number)))
            if number % preset.evaluate_every == 0 or number == preset.steps:
                learning = checkpoint.values(served)
                checkpoint.assign(served, averaged)
                auc = roc_auc(tuning.study_label, scores(encoder, head, tuning, built))
                history.append((number, float(np.mean(list(losses)[-preset.evaluate_every :])), auc))
                curves.add(number, tuning_auc=auc)
                if auc >= best.auc:
                    best = _Best(auc, number, checkpoint.values(served))
                checkpoint.assign(served, learning)
            if kept and kept.due(number) and number < preset.steps:
                curves.flush()
                kept.save(
                    {
                        "step": number,
                        "random": undrawn,
                        "best_auc": best.auc,
                        "best_step": best.step,
                        "history": history,
                        "losses": list(losses),
                    },
                    {
                        "weights": checkpoint.values(variables),
                        "optimizer": checkpoint.values(optimizer.variables),
                        "averaged": averaged,
                        "best": best.weights,
                    },
                )
            shown = {"loss": float(np.mean(list(losses)[-SHOWN_LOSSES:]))}
            progress(number, shown | {"tuning_auc": best.auc if best.step else float("nan")})
        coming.cancel()
    curves.close()
    checkpoint.assign(served, best.weights)
    plain = variants.patch_encoder(built, grid, member=member)
    plain.set_weights(encoder.get_weights())
    return TrainedMember(plain, head, best.step, best.auc, history)


def _features(encoder: keras.Model, share: float) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """F_rep of a batch: patches (b, k, H, W, Z) and the number of the step to rows (b·k, D).

    F_rep's first block learns from a ``share`` of the patches alone, others at each step, and their gradients stand for
    all: at the same weights and before clipping, the sum over the steps is the same. A patch is taken together with the
    same one of the study's partner in the batch, often its twin.
    """
    if not 0 < share <= 1:
        raise ValueError(f"first_block_share is {share}: above 0, and at most 1")
    grid = encoder.input_shape[1:]
    if share == 1:
        return lambda patches, number: encoder(tf.reshape(patches, (-1, *grid)), training=True)
    first = keras.Model(encoder.input, encoder.get_layer(FIRST_BLOCK).output)
    others = keras.Model(first.output, encoder.output)

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def scaled(x: tf.Tensor, factor: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, None]]]:
        return tf.identity(x), lambda upstream: (upstream * tf.cast(factor, upstream.dtype), None)

    def partly(patches: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
        b, k = tf.shape(patches)[0], tf.shape(patches)[1]
        couples = b // 2 * k
        taken = tf.cast(tf.math.ceil(share * tf.cast(couples, tf.float32)), tf.int32)
        # Couples of patches, those of different studies beside each other.
        rows = tf.reshape(tf.transpose(tf.reshape(tf.range(b * k), (-1, 2, k)), (2, 0, 1)), (-1, 2))
        order = tf.reshape(tf.roll(rows, -(number * taken % couples), 0), (-1,))
        flat = tf.gather(tf.reshape(patches, (-1, *grid)), order)
        learnt = scaled(first(flat[: 2 * taken], training=True), couples / taken)
        # An empty patch beside them: oneDNN fails on a batch of none.
        rest = first(tf.concat([flat[2 * taken :], tf.zeros((1, *grid))], 0), training=True)[:-1]
        features = others(tf.concat([learnt, tf.stop_gradient(rest)], 0), training=True)
        return tf.gather(features, tf.math.invert_permutation(order))

    return partly


def _move(averaged: list[NDArray[np.float32]], towards: list[keras.Variable], *, keep: float) -> None:
    """Renew running averages of weights in place. The form of the sum leaves equal weights as they are, bit by bit."""
    for average, variable in zip(averaged, towards, strict=True):
        if keep:
            average += np.float32(1 - keep) * (variable.numpy() - average)
        else:
            average[...] = variable.numpy()  # the sum would round


def _expect_ct(encoder: keras.Model, studies: Studies) -> None:
    """Start the first convolution as if its input had mean 0 and variance 1.

    Windowed patches are mostly dark: with plain initial weights the first features are a fifth of their
    due size and learning starts slowly. The graph stays the paper's.
    """
    some = studies.patches[:: max(1, len(studies.patches) // 200)].astype(np.float32) / 255
    mean, spread = float(some.mean()), float(some.std())
    first = encoder.get_layer("block1_conv1")
    kernel, bias = first.get_weights()
    kernel = kernel / spread
    first.set_weights([kernel, bias - mean * kernel.sum(axis=(0, 1, 2, 3))])


def encoded(encoder: keras.Model, studies: Studies, *, flip: bool = False) -> NDArray[np.float32]:
    """Give the features (n, D) of all stored patches, or of their mirror images, as many at a time as memory bears."""
    parts = []
    for start in range(0, len(studies.patches), ENCODER_BATCH):
        patches = studies.patches[start : start + ENCODER_BATCH, ..., None].astype(np.float32) / 255
        parts.append(np.asarray(encoder(patches[..., ::-1, :] if flip else patches)))
    return np.concatenate(parts)


def scores(
    encoder: keras.Model, head: keras.Model, studies: Studies, architecture: Architecture, *, flip: bool = False
) -> NDArray[np.float64]:
    """Study scores (m,) of one member by its own F_agg; ``head`` as ``variants.classifier`` gives it."""
    probability, study = head(list(_padded(encoder, studies, flip=flip)))
    if architecture.aggregation != "served":
        return np.asarray(study, np.float64)
    cut = (row[: studies.starts[i + 1] - studies.starts[i]] for i, row in enumerate(np.asarray(probability)))
    return np.array([study_scores(p[None, None]).study_score for p in cut])


def _padded(
    encoder: keras.Model, studies: Studies, *, flip: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Features (m, k, D), location (m, k) and valid (m, k) of all studies, padded at the feet."""
    rows = encoded(encoder, studies, flip=flip)
    longest = int(np.diff(studies.starts).max())
    padded = np.zeros((len(studies), longest, rows.shape[-1]), np.float32)
    location, valid = (np.zeros((len(studies), longest), np.float32) for _ in range(2))
    for i in range(len(studies)):
        own = studies.rows(i)
        padded[i, : own.stop - own.start] = rows[own]
        location[i, : own.stop - own.start] = studies.location[own]
        valid[i, : own.stop - own.start] = 1
    return padded, location, valid
