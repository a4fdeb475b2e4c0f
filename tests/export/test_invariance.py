# SPDX-License-Identifier: Apache-2.0
"""A patch's answer does not depend on its company: batch size, neighbours, padding, NaN, in both CPU runtimes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("openvino")

from export.config import CPU, ONNXRUNTIME  # noqa: E402
from export.runtimes import Runtimes, load  # noqa: E402
from preprocess.aggregate import study_scores  # noqa: E402
from preprocess.spec import MAX_PATCHES  # noqa: E402
from vcf.contract import FEATURES, FLIPS, MEMBERS, PATCHES, SLICE_IMAGES  # noqa: E402

REPOSITORY = Path(__file__).resolve().parents[2] / "model_repository"
TOLERANCE = 1e-6
Array = np.ndarray


@pytest.fixture(scope="module", params=[CPU, ONNXRUNTIME])
def networks(request: pytest.FixtureRequest) -> Runtimes:
    """The shipped networks."""
    if not (REPOSITORY / "patch_encoder_a" / "1" / "model.onnx").is_file():
        pytest.skip("the networks are not exported: vcf export onnx")
    return load(REPOSITORY, request.param)


@pytest.fixture(scope="module")
def patches() -> Array:
    """Sixty-four patches of smooth noise, as bright as bone and soft tissue are."""
    coarse = np.random.default_rng(3).random((64, 8, 8, 8), np.float32)
    return coarse.repeat(4, 1).repeat(4, 2).repeat(4, 3)[..., None]


def scores(networks: Runtimes, patches: Array, encode: Callable[[str, Array], Array] | None = None) -> Array:
    """Patch scores of one study, whose flips are made here."""
    k = len(patches)
    flipped = np.concatenate([patches, patches[:, :, :, ::-1]])
    location = np.linspace(0, 1, k, dtype=np.float32)
    encode = encode or (lambda member, rows: networks.encoders[member](rows))
    members = [networks.heads[m]([encode(m, flipped), location]) for m in MEMBERS]
    return study_scores(np.stack(members))[1]


def close(found: Array, expected: Array) -> None:
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= TOLERANCE * max(1.0, float(np.abs(expected).max()))


def test_features_alone_and_in_a_batch_of_64(networks: Runtimes, patches: Array) -> None:
    together = networks.encoders["a"](patches)
    assert together.shape == (64, FEATURES)
    for i in (0, 31, 63):
        close(networks.encoders["a"](patches[i : i + 1])[0], together[i])


def test_features_do_not_depend_on_the_order(networks: Runtimes, patches: Array) -> None:
    order = np.random.default_rng(0).permutation(len(patches))
    close(networks.encoders["b"](patches[order]), networks.encoders["b"](patches)[order])


@pytest.mark.parametrize("k", [2, 9, MAX_PATCHES])
def test_scores_of_a_study_alone_and_among_others(networks: Runtimes, patches: Array, k: int) -> None:
    """As when Triton's batcher puts the patches of several studies into one execution."""
    study, others = patches[:k], patches[::-1][: 64 - k]

    def merged(member: str, rows: Array) -> Array:
        return networks.encoders[member](np.concatenate([others, rows, others]))[len(others) : len(others) + len(rows)]

    alone = scores(networks, study)
    assert alone.shape == (k,)
    close(scores(networks, study, merged), alone)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.0, 1.0])
def test_a_bad_or_constant_neighbour_changes_nothing(networks: Runtimes, patches: Array, value: float) -> None:
    bad = np.full((4, *PATCHES.shape[1:]), value, np.float32)

    def beside_it(member: str, rows: Array) -> Array:
        return networks.encoders[member](np.concatenate([bad, rows, bad]))[len(bad) : len(bad) + len(rows)]

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
    """The LSTM runs from head to feet and the head has no mask: rows that follow cannot reach back."""
    rng = np.random.default_rng(k)
    rows = rng.random((len(FLIPS), k, FEATURES), np.float32)
    location = np.linspace(0, 0.8, k, dtype=np.float32)
    padded = np.concatenate([rows, np.zeros((len(FLIPS), 3, FEATURES), np.float32)], axis=1)
    longer = np.concatenate([location, np.zeros(3, np.float32)])
    for head in networks.heads.values():
        plain = head([rows.reshape(-1, FEATURES), location])
        close(head([padded.reshape(-1, FEATURES), longer])[:, :k], plain)


def test_flips_are_sequences_of_their_own(networks: Runtimes) -> None:
    rows = np.random.default_rng(5).random((len(FLIPS), 6, FEATURES), np.float32)
    location = np.linspace(0, 1, 6, dtype=np.float32)
    both = networks.heads["c"]([rows.reshape(-1, FEATURES), location])
    for flip in range(len(FLIPS)):
        close(networks.heads["c"]([rows[flip], location])[0], both[flip])
    rows[1] = np.nan
    close(networks.heads["c"]([rows.reshape(-1, FEATURES), location])[0], both[0])


@pytest.mark.parametrize("batch", [1, 64])
def test_slices_do_not_depend_on_their_company(networks: Runtimes, batch: int) -> None:
    images = np.random.default_rng(6).random((batch, *SLICE_IMAGES.shape[1:]), np.float32)
    close(networks.detector(images)[-1:], networks.detector(images[-1:]))
