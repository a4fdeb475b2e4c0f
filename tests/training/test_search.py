# SPDX-License-Identifier: Apache-2.0
import time
from itertools import combinations

import numpy as np
import pytest

from training import search
from training.metrics import roc_auc
from training.patch_variants import check
from training.presets import PRESETS


def drawn(candidates: int, studies: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.random(studies) < 0.4
    return labels, rng.normal(size=(candidates, studies)) + labels * rng.uniform(0, 2, (candidates, 1))


def test_finds_what_trying_all_by_hand_finds() -> None:
    labels, scores = drawn(9, 60)
    tried = {c: roc_auc(labels, sum(scores[i] for i in c) / 3) for c in combinations(range(9), 3)}
    found = search.best_ensembles(labels, scores, keep=len(tried))
    assert len(found) == len(tried) == 84
    assert max(tried.values()) == found[0].auc
    for ensemble in found:
        assert tried[ensemble.members] == pytest.approx(ensemble.auc, abs=1e-12)
    assert [e.auc for e in found] == sorted(tried.values(), reverse=True)


def test_complementary_candidates_beat_three_good_ones_alike() -> None:
    """Errors that differ average out; the same error three times does not."""
    rng = np.random.default_rng(1)
    labels = np.arange(400) % 2 == 1
    shared = rng.normal(size=400)
    alike = np.stack([labels + shared + 0.01 * rng.normal(size=400) for _ in range(3)])
    differing = labels + 1.05 * rng.normal(size=(3, 400))
    (best, *_) = search.best_ensembles(labels, np.concatenate([alike, differing]))
    assert set(best.members) & {3, 4, 5}
    assert best.auc > max(roc_auc(labels, s) for s in (*alike, *differing))


def test_rows_of_aucs_with_ties_equal_single_ones() -> None:
    labels, scores = drawn(6, 40)
    coarse = scores.round()
    np.testing.assert_allclose(search.roc_aucs(labels, coarse), [roc_auc(labels, s) for s in coarse], atol=1e-12)


def test_equal_ensembles_come_in_the_candidates_order() -> None:
    labels = np.array([0, 1])
    found = search.best_ensembles(labels, np.tile([0.0, 1.0], (4, 1)))
    assert [e.members for e in found] == [(0, 1, 2), (0, 1, 3), (0, 2, 3), (1, 2, 3)]


def test_a_large_pool_takes_seconds() -> None:
    labels, scores = drawn(40, 300)
    began = time.process_time()
    assert len(search.best_ensembles(labels, scores)) == 10  # of 9,880
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("labels", "candidates", "message"), [([0, 1], 2, "2 candidates"), ([1, 1], 3, "2 positive and 0 negative")]
)
def test_refuses_what_has_no_answer(labels: list[int], candidates: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        search.best_ensembles(labels, np.zeros((candidates, 2)))


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
    text = search.table(["a", "b", "c"], [0.8, 0.9, 0.7], [search.Ensemble((0, 1, 2), 0.95)])
    lines = text.splitlines()
    assert lines[2] == "| b | 0.9000 |"
    assert lines[-1] == "| a, b, c | 0.9500 |"
