# SPDX-License-Identifier: Apache-2.0
"""Scores that ensembles are chosen by: one function for them, whoever asks, against it called by hand."""

from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from tests.random_members import ENSEMBLES, members
from vcf_contract.spec import PATCH
from vcf_preprocess.aggregate import AGGREGATIONS, NOT_LEARNED, Aggregation, study_scores
from vcf_training import member, ranking
from vcf_training.metrics import roc_auc
from vcf_training.ranking import Answers
from vcf_training.reference import classify
from vcf_training.store import Networks
from vcf_training.studies import Studies

STARTS = np.array([0, 2, 7, 10, 14])


def drawn(count: int = 4, seed: int = 0) -> Answers:
    """Random answers of members, every second of which has learned its F_agg."""
    rng = np.random.default_rng(seed)
    study = rng.random((count, 2, len(STARTS) - 1)).astype(np.float32)
    study[::2] = NOT_LEARNED
    return Answers(rng.random((count, 2, STARTS[-1])).astype(np.float32), study, STARTS)


def by_hand(given: Answers, aggregation: Aggregation, taken: list[int]) -> list[float]:
    return [
        study_scores(given.patch_probability[taken][..., a:b], given.study_probability[taken][..., i], aggregation)[0]
        for i, (a, b) in enumerate(pairwise(STARTS))
    ]


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_scores_are_those_of_the_product(aggregation: Aggregation) -> None:
    given = drawn()
    np.testing.assert_allclose(given.scores(aggregation), by_hand(given, aggregation, [0, 1, 2, 3]))
    ensembles = np.array([[0, 1], [3, 2], [0, 3]])
    found = given.scores(aggregation, ensembles)
    assert found.shape == (3, 4)
    for row, taken in zip(found, ensembles, strict=True):
        np.testing.assert_allclose(row, by_hand(given, aggregation, list(taken)))


def test_answers_of_several_sets_join_by_member() -> None:
    one, other = drawn(2, seed=1), drawn(3, seed=2)
    both = Answers.joined([one, other])
    assert len(both.patch_probability) == 5
    for aggregation in AGGREGATIONS:
        np.testing.assert_array_equal(both.scores(aggregation, np.array([[0, 1]]))[0], one.scores(aggregation))
        np.testing.assert_array_equal(both.scores(aggregation, np.array([[2, 3, 4]]))[0], other.scores(aggregation))


def test_the_aggregation_is_the_one_with_the_largest_area() -> None:
    for seed in range(8):
        labels = np.array([0, 1, 1, 0], np.uint8)
        given = drawn(seed=seed)
        aggregation, area = ranking.best_aggregation(labels, given)
        areas = {a: roc_auc(labels, given.scores(a)) for a in AGGREGATIONS}
        assert area == areas[aggregation] == max(areas.values())
        assert aggregation == next(a for a in AGGREGATIONS if areas[a] == area)


def test_the_choice_depends_on_the_answers() -> None:
    """A sound study with one high patch is told from a fractured one by smoothing; averaging in the other order
    sees that two members are sure of different patches."""
    starts = np.array([0, 3, 6])
    nothing = np.full((2, 2, 2), NOT_LEARNED, np.float32)
    labels = np.array([0, 1], np.uint8)

    def chosen(sound: list[list[float]], fractured: list[list[float]]) -> Aggregation:
        members = np.repeat(np.concatenate([sound, fractured], axis=1)[:, None], 2, axis=1).astype(np.float32)
        aggregation, area = ranking.best_aggregation(labels, Answers(members, nothing, starts))
        assert area == 1
        return aggregation

    alike = [[0.0, 0.9, 0.0]] * 2
    assert chosen(alike, [[0.6, 0.6, 0.6]] * 2).smoothing is not None
    assert chosen([[0.5, 0.5, 0.5]] * 2, [[0.0, 0.7, 0.0]] * 2).smoothing is None
    assert chosen([[0.5, 0.5, 0.5]] * 2, [[0.9, 0.1, 0.0], [0.0, 0.1, 0.9]]).order == "scores"
    assert chosen([[0.6, 0.0, 0.0], [0.0, 0.0, 0.6]], [[0.5, 0.5, 0.5]] * 2).order == "patches"


def test_one_class_alone_has_no_area() -> None:
    with pytest.raises(ValueError, match="both classes are needed"):
        ranking.best_aggregation(np.ones(4, np.uint8), drawn())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["learned", "three"])
def test_stored_patches_are_answered_as_the_reference_answers_them(name: str) -> None:
    """Each study alone, whatever batch its patches were encoded in."""
    rng = np.random.default_rng(0)
    nothing = np.zeros(14, np.uint8)
    studies = Studies(
        rng.integers(0, 256, (14, *PATCH.grid), np.uint8),
        rng.random(14, np.float32),
        nothing,
        nothing,
        nothing,
        np.zeros((14, PATCH.grid[0], 5), np.float16),
        STARTS,
        np.array(["one", "two", "three", "four"]),
    )
    ensemble = members(ENSEMBLES[name])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(member, "ENCODER_BATCH", 5)  # cuts through studies
        given = ranking.answers(ensemble, studies)
    networks = Networks.of(None, ensemble, Aggregation())  # type: ignore[arg-type]
    for i in range(len(studies)):
        own = studies.rows(i)
        patch, study = classify(networks, studies.patches[own][..., None] / np.float32(255), studies.location[own])
        np.testing.assert_allclose(given.patch_probability[..., own], patch, atol=1e-6)
        np.testing.assert_allclose(given.study_probability[..., i], study, atol=1e-6)
