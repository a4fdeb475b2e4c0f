# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("tensorflow")
import keras
import tensorflow as tf

from tests.training.resumable import MEMBER, bright_or_dark
from vcf_preprocess.aggregate import study_scores
from vcf_training import member, variants
from vcf_training.architecture import SERVED, VARIANTS, Architecture

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(2, 5, 64)).astype(np.float32)
LOCATION = np.tile(np.linspace(0, 1, 5, dtype=np.float32), (2, 1))
VALID = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], np.float32)


def answers(architecture: Architecture, rows: np.ndarray = ROWS, location: np.ndarray = LOCATION) -> list[np.ndarray]:
    keras.utils.set_random_seed(3)
    return [np.asarray(a) for a in variants.classifier(architecture, 64)([rows, location, VALID])]


@pytest.mark.parametrize("name", VARIANTS)
def test_padding_changes_no_answer(name: str) -> None:
    """What lies on the padding of the second study must not be seen, whichever way a sequence is read."""
    other = ROWS.copy()
    other[1, 3:] += 7
    place = LOCATION.copy()
    place[1, 3:] = 9
    patches, study = answers(VARIANTS[name])
    patches_again, study_again = answers(VARIANTS[name], other, place)
    np.testing.assert_allclose(patches_again * VALID, patches * VALID, atol=1e-6)
    np.testing.assert_allclose(study_again, study, atol=1e-6)
    assert patches.shape == (2, 5)
    assert study.shape == (2,)
    assert ((study > 0) & (study < 1)).all()


@pytest.mark.parametrize("name", VARIANTS)
def test_location_is_seen_where_the_variant_has_it(name: str) -> None:
    before, _ = answers(VARIANTS[name])
    after, _ = answers(VARIANTS[name], location=1 - LOCATION)
    assert (np.abs(after - before).max() > 1e-5) == VARIANTS[name].location


def test_bilstm_looks_both_ways_and_lstm_from_the_head_alone() -> None:
    lower = ROWS.copy()
    lower[0, 4] += 5
    for name, sees in (("bilstm", True), ("lstm", False)):
        before, after = (answers(VARIANTS[name], r)[0] for r in (ROWS, lower))
        assert (np.abs(after[0, 0] - before[0, 0]) > 1e-6) == sees


def test_aggregations_are_those_of_the_product() -> None:
    patches, study = answers(VARIANTS["lstm-max"])
    np.testing.assert_allclose(study, (patches * VALID).max(1), rtol=1e-6)
    patches, study = answers(VARIANTS["lstm-smoothed-max"])
    for i, k in enumerate((5, 3)):
        assert study[i] == pytest.approx(study_scores(patches[i, :k][None, None]).study_score, abs=1e-6)


def test_max_filter_scores_a_patch_by_its_environment() -> None:
    keras.utils.set_random_seed(3)
    architecture = VARIANTS["max"]
    filtered = variants.classifier(architecture, 64)
    alone = keras.Model(filtered.inputs, filtered.get_layer("classifier").output)
    own = np.asarray(alone([ROWS, LOCATION, VALID]))[..., 0] * VALID
    patches, study = (np.asarray(a) for a in filtered([ROWS, LOCATION, VALID]))
    padded = np.pad(own, ((0, 0), (1, 1)))
    expected = np.maximum(np.maximum(padded[:, :-2], padded[:, 1:-1]), padded[:, 2:])
    np.testing.assert_allclose(patches * VALID, expected * VALID, rtol=1e-6)
    np.testing.assert_allclose(study, own.max(1), rtol=1e-6)


def test_environments_are_judged_by_what_is_known_of_them() -> None:
    label = tf.constant([[0.0, 0, 1, 0, 0, 0, 0]])
    weight = tf.constant([[1.0, 1, 1, 1, 1, 0, 1]])
    found, decided = variants.targets(VARIANTS["max"], label, weight, tf.ones_like(label))
    np.testing.assert_array_equal(found, [[0, 1, 1, 1, 0, 0, 0]])
    np.testing.assert_array_equal(decided, [[1, 1, 1, 1, 0, 0, 0]])  # the last three see the unknown one
    assert variants.targets(SERVED, label, weight, tf.ones_like(label)) == (label, weight)


def test_shallow_encoder_is_one_convolution_with_the_served_features() -> None:
    shallow = variants.patch_encoder(VARIANTS["shallow"])
    assert shallow.count_params() == 5**3 * 32 + 32
    assert shallow.output_shape == variants.patch_encoder(SERVED).output_shape == (None, 2048)
    with pytest.raises(ValueError, match="multiple of 8"):
        variants.patch_encoder(VARIANTS["shallow"], (32, 12, 32))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["max", "bilstm-aggregation", "shallow", "bilstm"])
def test_every_kind_of_variant_learns(name: str) -> None:
    """With a rate of learning at which every seed does: at a larger one it hangs on how a processor adds up."""
    preset = replace(
        MEMBER, architecture=VARIANTS[name], learning_rate=2e-3, anatomy_weight=0.0, evaluate_every=20, severe_first=0.0
    )
    data, tuning = bright_or_dark(24, 0, patches=3), bright_or_dark(12, 1, patches=3)
    trained = member.train(data, tuning, preset, member="a", seed=2)
    assert trained.tuning_auc > 0.95
    assert trained.history[-1][1] < trained.history[0][1]
