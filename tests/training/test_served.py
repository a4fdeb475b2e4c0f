# SPDX-License-Identifier: Apache-2.0
"""The graphs that are served against the networks that were trained, for every variant, view and mixture of members."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from tests.random_members import CUBE_16, ENSEMBLES, Kind, member, members
from vcf_contract.spec import PATCH, PatchSpec
from vcf_preprocess.aggregate import NOT_LEARNED, Aggregation, study_scores
from vcf_training import served
from vcf_training.architecture import FLIPS, VARIANTS
from vcf_training.patch_variants import resampled
from vcf_training.search import CHANGES
from vcf_training.served import Member
from vcf_training.studies import Studies

Array = np.ndarray
VIEWS = {name: change["patch"] for name, change in CHANGES.items() if "patch" in change} | {
    "smaller, coarser and narrower": replace(CHANGES["patch-24"]["patch"], window_centre_hu=300, window_width_hu=400),
    "box that cuts voxels": replace(PATCH, grid=(16, 24, 8), anterior_mm=47.3, posterior_mm=9.9, half_width_mm=20.1),
}


def patches(count: int, seed: int = 0) -> Array:
    """(n, H, W, Z, 1) of smooth noise in [0, 1]."""
    coarse = np.random.default_rng(seed).random((count, 8, 8, 8), np.float32)
    return coarse.repeat(4, 1).repeat(4, 2).repeat(4, 3)[..., None]


def rows(ensemble: list[Member], k: int, seed: int = 0) -> tuple[Array, Array]:
    """Features (k, D) and location (k,) of a study."""
    width = len(FLIPS) * sum(one.features for one in ensemble)
    rng = np.random.default_rng(seed)
    return rng.normal(size=(k, width)).astype(np.float32), np.sort(rng.random(k, np.float32))


def trained(one: Member, features: Array, location: Array) -> tuple[Array, Array]:
    """Patch (k,) and study probability of a whole study, as the training computes them."""
    probability, study = one.head([features[None], location[None], np.ones((1, len(location)), np.float32)])
    return np.asarray(probability)[0], np.asarray(study)[0]


@pytest.mark.parametrize("k", [2, 5, 32])
@pytest.mark.parametrize("name", VARIANTS)
def test_a_head_answers_as_it_was_trained_under_every_flip(name: str, k: int) -> None:
    one = member("a", name, CUBE_16, seed=k)
    features, location = rows([one], k)
    patch, study = map(np.asarray, served.sequence_head([one])([features, location]))
    assert patch.shape == (1, len(FLIPS), k) and study.shape == (1, len(FLIPS))
    assert np.ptp(patch) > 1e-3
    for flip in range(len(FLIPS)):
        own = features[:, flip * one.features : (flip + 1) * one.features]
        expected, expected_study = trained(one, own, location)
        np.testing.assert_allclose(patch[0, flip], expected, atol=1e-6)
        if one.architecture.aggregation == "bilstm":
            assert study[0, flip] == pytest.approx(expected_study, abs=1e-6)
        else:
            assert study[0, flip] == NOT_LEARNED


@pytest.mark.parametrize(
    ("name", "smoothed"),
    [("max", False), ("lstm-max", False), ("lstm-smoothed-max", True), ("bilstm-aggregation", False)],
)
def test_a_members_own_aggregation_is_the_one_it_learned_with(name: str, smoothed: bool) -> None:
    one = member("a", name, CUBE_16, seed=1)
    features, location = rows([one], 6)
    aggregation = Aggregation("scores") if smoothed else Aggregation("scores", smoothing=None)
    found = study_scores(*map(np.asarray, served.sequence_head([one])([features, location])), aggregation)
    halves = features[:, : one.features], features[:, one.features :]
    assert found.study_score == pytest.approx(np.mean([trained(one, own, location)[1] for own in halves]), abs=1e-6)


@pytest.mark.parametrize("name", ENSEMBLES)
def test_only_members_that_have_learned_it_give_a_study_probability(name: str) -> None:
    ensemble = members([(variant, CUBE_16) for variant, _ in ENSEMBLES[name]])
    _, study = served.sequence_head(ensemble)([*rows(ensemble, 4)])
    learned = [one.architecture.aggregation == "bilstm" for one in ensemble]
    np.testing.assert_array_equal((np.asarray(study) != NOT_LEARNED).all(1), learned)
    np.testing.assert_array_equal((np.asarray(study) != NOT_LEARNED).any(1), learned)


@pytest.mark.parametrize("spec", VIEWS.values(), ids=VIEWS)
def test_a_view_is_what_the_member_learned_from(spec: PatchSpec) -> None:
    """Up to the rounding of stored patches to whole numbers."""
    stored = np.random.default_rng(0).integers(0, 256, (3, *PATCH.grid), np.uint8)
    nothing = np.zeros(3, np.uint8)
    studies = Studies(
        stored,
        np.linspace(0, 1, 3, dtype=np.float32),
        nothing,
        nothing,
        nothing,
        np.zeros((3, PATCH.grid[0], 5), np.float16),
        np.array([0, 3]),
        np.array(["s"]),
    )
    expected = resampled(studies, spec).patches
    found = np.asarray(served.View(spec)(stored[..., None].astype(np.float32) / 255))
    assert found.shape == (3, *spec.grid, 1)
    assert np.abs(255 * found[..., 0] - expected).max() <= 0.5 + 1e-3
    assert expected.std() > 5


@pytest.mark.parametrize("shape", [(2, 8, 16, 24, 1), (1, 4, 4, 5, 1)])
def test_a_mirror_turns_left_to_right_alone(shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).random(shape, np.float32)
    np.testing.assert_array_equal(np.asarray(served.Mirror()(values)), values[:, :, :, ::-1])


@pytest.mark.parametrize("kind", [("lstm", PATCH), ("shallow", VIEWS["patch-24"]), ("lstm", VIEWS["window-bone"])])
def test_features_are_those_of_the_patch_and_of_its_mirror_image(kind: Kind) -> None:
    one = member("a", *kind)
    tiles = patches(3)
    found = np.asarray(served.patch_encoder([one])(tiles))
    for flip, seen in enumerate((tiles, tiles[:, :, :, ::-1])):
        view = seen if one.patch == PATCH else np.asarray(served.View(one.patch)(seen))
        own = found[:, flip * one.features : (flip + 1) * one.features]
        np.testing.assert_allclose(own, np.asarray(one.encoder(view)), atol=1e-5)
    mirrored = np.asarray(served.patch_encoder([one])(tiles[:, :, :, ::-1].copy()))
    halves = np.split(found, 2, axis=1)
    np.testing.assert_allclose(mirrored, np.concatenate(halves[::-1], axis=1), atol=1e-5)
    assert np.abs(halves[0] - halves[1]).max() > 1e-2


@pytest.mark.parametrize("name", ENSEMBLES)
def test_members_side_by_side_answer_as_each_alone(name: str) -> None:
    """Of other grids, windows, depths and sequences; none sees another's features."""
    ensemble = members(ENSEMBLES[name])
    tiles = patches(4)
    together = np.asarray(served.patch_encoder(ensemble)(tiles))
    alone = [np.asarray(served.patch_encoder([one])(tiles)) for one in ensemble]
    np.testing.assert_allclose(together, np.concatenate(alone, axis=1), atol=1e-5)
    location = np.linspace(0.1, 0.9, 4, dtype=np.float32)
    answers = [np.asarray(a) for a in served.sequence_head(ensemble)([together, location])]
    assert answers[0].shape == (len(ensemble), len(FLIPS), 4) and answers[1].shape == (len(ensemble), len(FLIPS))
    for number, (one, own) in enumerate(zip(ensemble, alone, strict=True)):
        for found, expected in zip(answers, served.sequence_head([one])([own, location]), strict=True):
            np.testing.assert_allclose(found[number : number + 1], np.asarray(expected), atol=1e-6)
    assert len(np.unique(answers[0].reshape(-1, 4).round(6), axis=0)) == len(ensemble) * len(FLIPS)
