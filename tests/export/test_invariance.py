# SPDX-License-Identifier: Apache-2.0
"""A patch's answer does not depend on its company: batch size, neighbours, padding, NaN, in both CPU runtimes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("openvino")

from vcf_contract.contract import MAX_BATCH_PATCHES, PATCHES, SLICE_IMAGES  # noqa: E402
from vcf_contract.spec import MAX_PATCHES  # noqa: E402
from vcf_export.config import CPU, ONNXRUNTIME  # noqa: E402
from vcf_export.runtimes import Runtimes, load  # noqa: E402
from vcf_preprocess.aggregate import NOT_LEARNED, study_scores  # noqa: E402

REPOSITORY = Path(__file__).resolve().parents[2] / "model_repository"
TOLERANCE = 1e-6
Array = np.ndarray


@pytest.fixture(scope="module", params=[CPU, pytest.param(ONNXRUNTIME, marks=pytest.mark.slow)])
def networks(request: pytest.FixtureRequest) -> Runtimes:
    """The shipped networks."""
    if not (REPOSITORY / "patch_encoder" / "1" / "model.onnx").is_file():
        pytest.skip("the networks are not exported: vcf export onnx")
    return load(REPOSITORY, request.param)


@pytest.fixture(scope="module")
def patches() -> Array:
    """A full batch of patches of smooth noise, as bright as bone and soft tissue are."""
    coarse = np.random.default_rng(3).random((MAX_BATCH_PATCHES, 8, 8, 8), np.float32)
    return coarse.repeat(4, 1).repeat(4, 2).repeat(4, 3)[..., None]


def scores(networks: Runtimes, patches: Array, encode: Callable[[Array], Array] | None = None) -> Array:
    """Patch scores of one study."""
    location = np.linspace(0, 1, len(patches), dtype=np.float32)
    answers = networks.sequence_head([(encode or networks.patch_encoder)(patches), location])
    return study_scores(*answers, networks.aggregation).patch_scores


def close(found: Array, expected: Array) -> None:
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= TOLERANCE * max(1.0, float(np.abs(expected).max()))


def test_features_alone_and_in_a_full_batch(networks: Runtimes, patches: Array) -> None:
    together = networks.patch_encoder(patches)
    assert len(together) == MAX_BATCH_PATCHES == 128
    for i in (0, 31, 127):
        close(networks.patch_encoder(patches[i : i + 1])[0], together[i])


def test_features_do_not_depend_on_the_order(networks: Runtimes, patches: Array) -> None:
    order = np.random.default_rng(0).permutation(len(patches))
    close(networks.patch_encoder(patches[order]), networks.patch_encoder(patches)[order])


@pytest.mark.slow
@pytest.mark.parametrize("k", [2, 9, MAX_PATCHES])
def test_scores_of_a_study_alone_and_among_others(networks: Runtimes, patches: Array, k: int) -> None:
    """As when Triton's batcher puts the patches of several studies into one execution."""
    study, others = patches[:k], patches[::-1][: 48 - k]

    def merged(rows: Array) -> Array:
        return networks.patch_encoder(np.concatenate([others, rows, others]))[len(others) : len(others) + len(rows)]

    alone = scores(networks, study)
    assert alone.shape == (k,)
    close(scores(networks, study, merged), alone)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.0, 1.0])
def test_a_bad_or_constant_neighbour_changes_nothing(networks: Runtimes, patches: Array, value: float) -> None:
    bad = np.full((4, *PATCHES.shape[1:]), value, np.float32)

    def beside_it(rows: Array) -> Array:
        return networks.patch_encoder(np.concatenate([bad, rows, bad]))[len(bad) : len(bad) + len(rows)]

    close(scores(networks, patches[:3], beside_it), scores(networks, patches[:3]))


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_constant_study_has_finite_scores(networks: Runtimes, value: float) -> None:
    found = scores(networks, np.full((2, *PATCHES.shape[1:]), value, np.float32))
    assert np.isfinite(found).all() and (found >= 0).all() and (found <= 1).all()


def test_nan_is_never_a_score(networks: Runtimes) -> None:
    """OpenVINO's max(NaN, 0) is 0, ONNX Runtime's is NaN, which the aggregation refuses; a volume has none."""
    try:
        found = scores(networks, np.full((2, *PATCHES.shape[1:]), np.nan, np.float32))
    except ValueError as error:
        assert "probabilities must be finite" in str(error)
    else:
        assert np.isfinite(found).all()


@pytest.mark.parametrize("k", [2, MAX_PATCHES])
def test_padding_a_sequence_at_the_feet_changes_nothing_above(networks: Runtimes, k: int) -> None:
    """The LSTMs run from head to feet and the head has no mask: rows that follow cannot reach back."""
    rows = np.random.default_rng(k).random((k, features(networks)), np.float32)
    location = np.linspace(0, 0.8, k, dtype=np.float32)
    padded = np.concatenate([rows, np.zeros((3, rows.shape[1]), np.float32)])
    longer = np.concatenate([location, np.zeros(3, np.float32)])
    plain, study = networks.sequence_head([rows, location])
    close(networks.sequence_head([padded, longer])[0][..., :k], plain)
    assert (study == NOT_LEARNED).all()


def test_members_and_flips_do_not_see_each_other(networks: Runtimes) -> None:
    """Not a number in one member's features under one flip stays in that sequence."""
    rows = np.random.default_rng(5).random((6, features(networks)), np.float32)
    location = np.linspace(0, 1, 6, dtype=np.float32)
    plain, _ = networks.sequence_head([rows, location])
    members, flips, _ = plain.shape
    width = rows.shape[1] // (members * flips)
    for number in range(members * flips):
        spoilt = rows.copy()
        spoilt[:, number * width : (number + 1) * width] = np.nan
        found = networks.sequence_head([spoilt, location])[0].reshape(members * flips, -1)
        others = np.arange(members * flips) != number
        close(found[others], plain.reshape(members * flips, -1)[others])


def test_a_mirrored_patch_has_the_features_of_the_other_flip(networks: Runtimes, patches: Array) -> None:
    plain, mirrored = (networks.patch_encoder(tiles) for tiles in (patches[:3], patches[:3, :, :, ::-1]))
    plain, mirrored = (rows.reshape(3, 3, 2, -1) for rows in (plain, mirrored))
    close(mirrored, plain[:, :, ::-1])


def features(networks: Runtimes) -> int:
    return networks.patch_encoder(np.zeros((1, *PATCHES.shape[1:]), np.float32)).shape[1]


@pytest.mark.parametrize("batch", [1, 64])
def test_slices_do_not_depend_on_their_company(networks: Runtimes, batch: int) -> None:
    images = np.random.default_rng(6).random((batch, *SLICE_IMAGES.shape[1:]), np.float32)
    close(networks.detector(images)[-1:], networks.detector(images[-1:]))
