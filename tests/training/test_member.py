# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import tensorflow as tf

from vcf_training import member, models, variants
from vcf_training.architecture import VARIANTS, Architecture
from vcf_training.presets import PRESETS, Augmentation
from vcf_training.studies import Batch, Sampler, Studies

QUICK = replace(
    PRESETS["tiny"].member,
    steps=40,
    patches_per_step=16,
    lengths=(2,),
    learning_rate=5e-3,
    evaluate_every=20,
    severe_first=0.0,
    anatomy_weight=0.0,
    augmentation=Augmentation(left_right=0.5),
)


def bright_or_dark(studies: int, seed: int) -> Studies:
    """Two patches a study; a fracture is a bright second patch, which any network can learn."""
    rng = np.random.default_rng(seed)
    n = 2 * studies
    label = np.zeros(n, np.uint8)
    label[1::4] = 1
    patches = rng.integers(0, 60, (n, 8, 8, 8)) + 150 * label[:, None, None, None]
    return Studies(
        patches.astype(np.uint8),
        np.tile([0.25, 0.75], studies).astype(np.float32),
        label,
        np.ones(n, np.uint8),
        3 * label,
        np.full((n, 8, 5), np.nan, np.float16),
        np.arange(0, n + 1, 2),
        np.array([f"s{i}" for i in range(studies)]),
    )


@pytest.mark.slow
def test_learns_what_can_be_learnt_and_goes_on_from_weights() -> None:
    training, tuning = bright_or_dark(24, 0), bright_or_dark(12, 1)
    trained = member.train(training, tuning, QUICK, member="a", seed=1)
    assert trained.tuning_auc > 0.95
    assert trained.history[-1][1] < trained.history[0][1]
    still = replace(QUICK, steps=1, evaluate_every=1, learning_rate=0.0)
    again = member.train(training, tuning, still, member="a", seed=2, start=(trained.encoder, trained.head))
    for before, after in zip(trained.encoder.get_weights(), again.encoder.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    assert again.tuning_auc == pytest.approx(trained.tuning_auc)


def test_first_convolution_starts_from_standardised_patches() -> None:
    data = bright_or_dark(8, 2)
    encoder = models.patch_encoder((8, 8, 8))
    first = encoder.get_layer("block1_conv1")
    kernel, bias = first.get_weights()
    scaled = data.patches / 255
    member._expect_ct(encoder, data)
    patch = scaled[:1, 2:5, 2:5, 2:5].reshape(27)
    standard = (patch - scaled.mean()) / scaled.std()
    new_kernel, new_bias = first.get_weights()
    np.testing.assert_allclose(
        patch @ new_kernel.reshape(27, -1) + new_bias, standard @ kernel.reshape(27, -1) + bias, atol=1e-4
    )


def test_gradients_of_the_first_block_are_those_of_all_patches_over_the_steps() -> None:
    encoder = models.patch_encoder((8, 8, 8))
    patches = tf.constant(np.random.default_rng(4).random((4, 3, 8, 8, 8), np.float32))  # two pairs, six couples

    def gradients(share: float, number: int) -> list[np.ndarray]:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(member._features(encoder, share)(patches, number) ** 2)
        return [g.numpy() for g in tape.gradient(loss, encoder.trainable_variables)]

    wholly, in_turn = gradients(1.0, 0), [gradients(0.3, number) for number in (5, 6, 7)]  # two couples each
    for place, whole in enumerate(wholly):
        scale = np.abs(whole).max()
        np.testing.assert_allclose(np.mean([g[place] for g in in_turn], 0), whole, atol=1e-5 * scale)
        each = max(np.abs(g[place] - whole).max() for g in in_turn) / scale
        assert each > 1e-2 if place < 4 else each < 1e-5  # kernels and biases of the first block's two convolutions


@pytest.mark.parametrize(("share", "studies", "length"), [(0.25, 8, 2), (0.01, 2, 1), (0.5, 2, 5), (0.9, 6, 1)])
def test_the_first_block_learns_from_a_share_of_couples_of_patches(share: float, studies: int, length: int) -> None:
    encoder = models.patch_encoder((8, 8, 8))
    patches = tf.Variable(np.random.default_rng(5).random((studies, length, 8, 8, 8), np.float32))
    partly = member._features(encoder, share)
    with tf.GradientTape() as tape:
        rows = partly(patches, 3)
    reached = np.abs(tape.gradient(rows, patches).numpy()).max((2, 3, 4)) > 0
    np.testing.assert_array_equal(reached[::2], reached[1::2])
    assert reached[::2].sum() == np.ceil(share * studies / 2 * length)
    np.testing.assert_allclose(rows, encoder(tf.reshape(patches, (-1, 8, 8, 8, 1))), atol=1e-5)


def test_share_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="first_block_share is 0"):
        member._features(models.patch_encoder((8, 8, 8)), 0.0)


@pytest.mark.slow
def test_training_from_random_weights_begins_with_short_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[bool, float]] = []
    shares: list[float] = []
    draw, features = Sampler.draw, member._features

    def watched(self: Sampler, **how: bool) -> Batch:
        told.append((how["severe_only"], how["short"]))
        return draw(self, **how)

    def shared(encoder: object, share: float) -> object:
        shares.append(share)
        return features(encoder, share)

    monkeypatch.setattr(Sampler, "draw", watched)
    monkeypatch.setattr(member, "_features", shared)
    data = bright_or_dark(8, 6)
    preset = replace(QUICK, steps=5, evaluate_every=5, severe_first=0.2, short_first=0.4, first_block_share=0.5)
    trained = member.train(data, data, preset, member="a", seed=1)
    assert told[:5] == [(True, True), (False, True), (False, False), (False, False), (False, False)]
    told.clear()
    member.train(data, data, preset, member="a", seed=1, start=(trained.encoder, trained.head))
    assert told[:5] == [(False, False)] * 5
    shallow = replace(preset, architecture=Architecture(representation="shallow"))
    member.train(data, data, shallow, member="a", seed=1)
    assert shares == [0.5, 0.5, 1.0]


@pytest.mark.parametrize("name", ["lstm", "bilstm-aggregation"])
def test_flipped_scores_are_those_of_the_mirrored_patches(name: str) -> None:
    data = bright_or_dark(3, 3)
    data = replace(data, patches=np.random.default_rng(0).integers(0, 256, data.patches.shape, np.uint8))
    mirrored = replace(data, patches=data.patches[..., ::-1])
    built = VARIANTS[name]
    encoder = models.patch_encoder((8, 8, 8))
    head = variants.classifier(built, 32)
    flipped = member.scores(encoder, head, data, built, flip=True)
    np.testing.assert_allclose(flipped, member.scores(encoder, head, mirrored, built), atol=1e-6)
    assert np.abs(flipped - member.scores(encoder, head, data, built)).max() > 1e-4
