# SPDX-License-Identifier: Apache-2.0
import itertools

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from tests.random_members import members  # noqa: E402
from vcf_contract.contract import CANAL_GRID, GRID, NETWORKS, SPINAL_CORD_DETECTOR  # noqa: E402
from vcf_contract.spec import PATCH  # noqa: E402
from vcf_training import models, served, variants  # noqa: E402
from vcf_training.architecture import SERVED  # noqa: E402


@pytest.mark.parametrize("grid", [GRID, (48, 48, 32)])
def test_encoder_has_the_papers_parameter_count(grid: tuple[int, int, int]) -> None:
    encoder = models.patch_encoder(grid)
    channels = [1, 8, 8, 16, 16, 32, 32]
    by_hand = sum(27 * a * b + b for a, b in itertools.pairwise(channels))
    assert encoder.count_params() == by_hand == 53_896
    assert encoder.output_shape == (None, int(np.prod(grid)) // 512 * 32)


def test_encoder_refuses_a_grid_that_cannot_be_halved_three_times() -> None:
    with pytest.raises(ValueError, match=r"\(32, 30, 32\).*multiple of 8"):
        models.patch_encoder((32, 30, 32))


def test_encoder_row_ignores_the_rest_of_the_batch() -> None:
    rng = np.random.default_rng(0)
    encoder = models.patch_encoder((16, 16, 16))
    patches = rng.random((3, 16, 16, 16, 1), np.float32)
    together, alone = np.asarray(encoder(patches)), np.asarray(encoder(patches[1:2]))
    np.testing.assert_allclose(together[1:2], alone, rtol=1e-5, atol=1e-6)


def judge(rows: np.ndarray, location: np.ndarray) -> np.ndarray:
    """Patch probabilities (k,) of a head with the same random weights every time."""
    keras.utils.set_random_seed(5)
    head = variants.classifier(SERVED, rows.shape[1])
    return np.asarray(head([rows[None], location[None], np.ones((1, len(rows)), np.float32)])[0])[0]


def test_head_judges_a_patch_by_those_above_it_only() -> None:
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(6, 64)).astype(np.float32)
    location = np.linspace(0, 1, 6, dtype=np.float32)
    changed = rows.copy()
    changed[3] += 5
    before, after = (judge(r, location) for r in (rows, changed))
    np.testing.assert_allclose(before[:3], after[:3], atol=1e-6)
    assert (np.abs(before[3:] - after[3:]) > 1e-4).all()


def test_head_uses_the_location() -> None:
    rows = np.random.default_rng(3).normal(size=(4, 64)).astype(np.float32)
    low, high = (judge(rows, np.full(4, x, np.float32)) for x in (0, 1))
    assert np.abs(low - high).max() > 1e-4


def test_folding_batch_norm_changes_nothing() -> None:
    keras.utils.set_random_seed(4)
    rng = np.random.default_rng(4)
    trained = models.canal_detector()
    for layer in trained.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma, beta, mean, variance = layer.get_weights()
            layer.set_weights(
                [
                    rng.uniform(0.5, 1.5, gamma.shape),
                    rng.normal(size=beta.shape) * 0.3,
                    rng.normal(size=mean.shape) * 0.3,
                    rng.uniform(0.5, 2, variance.shape),
                ]
            )
    images = rng.random((2, 256, 256, 1), np.float32)
    expected = np.asarray(trained(images, training=False))
    served = models.fold_batch_norm(trained)
    assert not any(isinstance(layer, keras.layers.BatchNormalization) for layer in served.layers)
    np.testing.assert_allclose(np.asarray(served(images)), expected, atol=2e-4 * np.abs(expected).max())


def test_detector_answers_on_the_contracts_grid() -> None:
    assert models.canal_detector().output_shape == (None, *SPINAL_CORD_DETECTOR.outputs[0].shape)
    assert models.canal_detector().output_names == [CANAL_GRID.name]


def test_input_and_output_names_are_the_contracts() -> None:
    ensemble = members([("lstm", PATCH), ("bilstm-aggregation", PATCH)])
    built = [models.canal_detector(batch_norm=False), served.patch_encoder(ensemble), served.sequence_head(ensemble)]
    for described, network in zip(NETWORKS, built, strict=True):
        assert network.name == described.name
        assert [i.name for i in network.inputs] == [t.name for t in described.inputs]
        assert network.output_names == [t.name for t in described.outputs]
