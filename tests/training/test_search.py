# SPDX-License-Identifier: Apache-2.0
import time
from itertools import combinations

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from vcf_preprocess.aggregate import AGGREGATIONS, NOT_LEARNED, Aggregation, study_scores
from vcf_training import search
from vcf_training.metrics import roc_auc
from vcf_training.patch_variants import check
from vcf_training.presets import PRESETS
from vcf_training.ranking import Answers


def drawn(candidates: int, studies: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.random(studies) < 0.4
    return labels, rng.normal(size=(candidates, studies)) + labels * rng.uniform(0, 2, (candidates, 1))


def answering(scores: np.ndarray) -> Answers:
    """Candidates that say of every study (c, m), of its one patch under one flip, what is given."""
    return Answers(scores[:, None], np.full_like(scores[:, None], NOT_LEARNED), np.arange(scores.shape[1] + 1))


def of_many_patches(candidates: int, studies: int) -> tuple[np.ndarray, Answers]:
    """Answers to patches, for which the aggregation matters; every third candidate has learned its F_agg."""
    rng = np.random.default_rng(3)
    labels = np.arange(studies) % 3 == 0
    starts = np.concatenate([[0], np.cumsum(rng.integers(2, 7, studies))])
    patches = rng.random((candidates, 2, starts[-1])) ** 2
    patches += 0.3 * np.repeat(labels, np.diff(starts)) * rng.random(patches.shape)
    study = np.full((candidates, 2, studies), NOT_LEARNED)
    study[::3] = rng.random((len(study[::3]), 2, studies)) + 0.2 * labels
    return labels, Answers(patches, study, starts)


@pytest.mark.parametrize("sizes", [(3,), (1, 2), (2, 5)])
def test_finds_what_trying_all_by_hand_finds(sizes: tuple[int, ...]) -> None:
    """A loop over every combination and aggregation, with the function that the server calls."""
    labels, given = of_many_patches(6, 30)

    def auc(members: tuple[int, ...], aggregation: Aggregation) -> float:
        scores = [
            study_scores(
                given.patch_probability[list(members), :, given.starts[i] : given.starts[i + 1]],
                given.study_probability[list(members), :, i],
                aggregation,
            ).study_score
            for i in range(len(labels))
        ]
        return roc_auc(labels, scores)

    tried = {
        members: [auc(members, aggregation) for aggregation in AGGREGATIONS]
        for size in sizes
        for members in combinations(range(6), size)
    }
    found = search.best_ensembles(labels, given, sizes=sizes, keep=len(tried))
    assert {e.members for e in found} == set(tried) and len(found) == len(tried)
    for ensemble in found:
        assert ensemble.auc == pytest.approx(max(tried[ensemble.members]), abs=1e-12)
        assert tried[ensemble.members][AGGREGATIONS.index(ensemble.aggregation)] == pytest.approx(ensemble.auc)
    assert [e.auc for e in found] == sorted((e.auc for e in found), reverse=True)
    assert len({e.aggregation for e in found}) > 1
    assert search.best_ensembles(labels, given, sizes=sizes, keep=3) == found[:3]


def test_complementary_candidates_beat_three_good_ones_alike() -> None:
    """Errors that differ average out; the same error three times does not."""
    rng = np.random.default_rng(1)
    labels = np.arange(400) % 2 == 1
    shared = rng.normal(size=400)
    alike = np.stack([labels + shared + 0.01 * rng.normal(size=400) for _ in range(3)])
    differing = labels + 1.05 * rng.normal(size=(3, 400))
    (best, *_) = search.best_ensembles(labels, answering(np.concatenate([alike, differing])))
    assert set(best.members) & {3, 4, 5}
    assert best.auc > max(roc_auc(labels, s) for s in (*alike, *differing))


def test_rows_of_aucs_with_ties_equal_single_ones() -> None:
    labels, scores = drawn(6, 40)
    coarse = scores.round()
    np.testing.assert_allclose(search.roc_aucs(labels, coarse), [roc_auc(labels, s) for s in coarse], atol=1e-12)


def test_equal_ensembles_come_in_the_candidates_order() -> None:
    labels = np.array([0, 1])
    found = search.best_ensembles(labels, answering(np.tile([0.0, 1.0], (4, 1))), sizes=(3, 2))
    pairs = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    assert [e.members for e in found] == [*pairs, (0, 1, 2), (0, 1, 3), (0, 2, 3), (1, 2, 3)]
    assert {e.aggregation for e in found} == {AGGREGATIONS[0]}


@pytest.mark.slow
def test_a_large_pool_takes_seconds() -> None:
    labels, scores = drawn(40, 300)
    began = time.process_time()
    assert len(search.best_ensembles(labels, answering(scores))) == 10  # of 9,880
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("labels", "candidates", "sizes", "message"),
    [
        ([0, 1], 2, (3,), "2 candidates: at least 3"),
        ([1, 1], 3, (3,), "2 positive and 0 negative"),
        ([0, 1], 9, (1, 6), r"sizes \(1, 6\): an ensemble has 1 to 5"),
        ([0, 1], 9, (0,), "1 to 5"),
        ([0, 1], 9, (), "1 to 5"),
    ],
)
def test_refuses_what_has_no_answer(labels: list[int], candidates: int, sizes: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        search.best_ensembles(labels, answering(np.zeros((candidates, 2))), sizes=sizes)


def test_pool_varies_what_the_paper_varied() -> None:
    preset = PRESETS["cpu"].member
    pool = search.pool(preset, seed=10)
    assert len({c.name for c in pool}) == len({c.seed for c in pool}) == len(pool)
    for value in ("patch", "initializer", "learning_rate", "studies_per_step", "architecture"):
        assert any(getattr(c.preset, value) != getattr(preset, value) for c in pool), value
    assert len({c.preset.patch.window_hu for c in pool}) > 1
    assert [c.preset for c in pool[:4]] == [preset] * 4
    for candidate in pool:
        check(candidate.preset.patch)
    assert search.pool(preset, seed=10, count=5) == pool[:5]


def test_table_names_the_best_first() -> None:
    ensembles = [
        search.Ensemble((0, 1, 2), Aggregation(), 0.95),
        search.Ensemble((1,), Aggregation("scores", smoothing=None), 0.9),
    ]
    lines = search.table(["a", "b", "c"], [0.8, 0.9, 0.7], ensembles).splitlines()
    assert lines[2] == "| b | 0.9000 |"
    assert lines[-2:] == ["| a, b, c | patches | yes | 0.9500 |", "| b | scores | no | 0.9000 |"]
