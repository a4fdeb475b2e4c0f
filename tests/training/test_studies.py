# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vcf_training.presets import PRESETS, Augmentation
from vcf_training.studies import Sampler, Studies

UNCHANGED = replace(PRESETS["tiny"].member, augmentation=Augmentation(share=0), patches_per_step=12, lengths=(3,))


def studies(lengths: tuple[int, ...] = (5, 2, 4), fractured: dict[int, list[int]] | None = None) -> Studies:
    """Patch i holds the value i everywhere; ``fractured`` lists positions inside a study."""
    n, starts = sum(lengths), np.concatenate([[0], np.cumsum(lengths)])
    label = np.zeros(n, np.uint8)
    for study, positions in (fractured if fractured is not None else {0: [3]}).items():
        label[starts[study] + np.array(positions)] = 1
    return Studies(
        np.broadcast_to(np.arange(n, dtype=np.uint8)[:, None, None, None], (n, 8, 8, 8)).copy(),
        np.concatenate([np.linspace(0, 1, k) for k in lengths]).astype(np.float32),
        label,
        np.ones(n, np.uint8),
        2 * label,
        np.full((n, 8, 5), np.nan, np.float16),
        starts.astype(np.int64),
        np.array([f"s{i}" for i in range(len(lengths))]),
    )


def test_labels_and_grades_of_studies() -> None:
    data = studies()
    assert data.study_label.tolist() == [1, 0, 0]
    assert data.study_grade.tolist() == [2, 0, 0]


def test_joined_and_saved_studies_are_the_same(tmp_path: Path) -> None:
    data = Studies.joined([studies(), studies((3,), {0: [0]})])
    assert data.starts.tolist() == [0, 5, 7, 11, 14]
    assert data.study_label.tolist() == [1, 0, 0, 1]
    data.save(tmp_path / "s.npz")
    again = Studies.load(tmp_path / "s.npz")
    np.testing.assert_array_equal(again.patches, data.patches)
    np.testing.assert_array_equal(again.starts, data.starts)


def test_batches_hold_both_classes_equally_and_show_the_fracture() -> None:
    sampler = Sampler(studies(), UNCHANGED, np.random.default_rng(0))
    for _ in range(20):
        batch = sampler.draw()
        assert batch.patches.shape == (4, 3, 8, 8, 8)
        per_study = (batch.label * batch.valid).max(1)
        assert per_study.tolist() == [0, 1, 0, 1]


def test_a_run_is_contiguous_and_padded_at_the_feet() -> None:
    sampler = Sampler(studies(), UNCHANGED, np.random.default_rng(1))
    for _ in range(20):
        batch = sampler.draw()
        for patches, valid in zip(batch.patches, batch.valid, strict=True):
            n = int(valid.sum())
            assert valid.tolist() == [1.0] * n + [0.0] * (3 - n)
            np.testing.assert_allclose(np.diff(np.rint(patches[:n, 0, 0, 0] * 255)), 1)
            assert (patches[n:] == 0).all()


def test_every_run_with_the_fracture_is_drawn() -> None:
    sampler = Sampler(studies((9, 4), {0: [4]}), UNCHANGED, np.random.default_rng(2))
    first = {round(float(sampler.draw().patches[-1, 0, 0, 0, 0]) * 255) for _ in range(60)}
    assert first == {2, 3, 4}


def test_fixed_number_of_whole_studies() -> None:
    preset = replace(UNCHANGED, studies_per_step=4)
    batch = Sampler(studies(), preset, np.random.default_rng(3)).draw()
    assert batch.patches.shape[:2] == (4, 5)


def test_one_class_alone_is_refused() -> None:
    with pytest.raises(ValueError, match="0 positive and 3 negative"):
        Sampler(studies(fractured={}), UNCHANGED, np.random.default_rng(0))


def test_twins_meet_in_a_batch_at_the_same_patches() -> None:
    data = replace(studies((6, 6, 6), {0: [4]}), name=np.array(["p", "p", "q"]))
    sampler = Sampler(data, UNCHANGED, np.random.default_rng(4))
    met = 0
    for _ in range(40):
        first = np.rint(sampler.draw().patches[:, 0, 0, 0, 0] * 255).astype(int)
        for negative, positive in zip(first[::2], first[1::2], strict=True):
            assert 2 <= positive <= 3
            met += negative == positive + 6
    assert 20 <= met <= 60  # half of 80 pairs, and sometimes by chance


def test_severe_fractures_can_come_first() -> None:
    data = studies((3, 3, 3), {0: [1], 1: [1]})
    data = replace(data, grade=np.where(np.arange(9) == 1, 1, data.grade).astype(np.uint8))
    sampler = Sampler(data, UNCHANGED, np.random.default_rng(5))
    firsts = {
        round(float(p) * 255) for _ in range(15) for p in sampler.draw(severe_only=True).patches[1::2, 0, 0, 0, 0]
    }
    assert firsts == {3}  # study 1, of grade 2; study 0 has grade 1


def test_short_runs_can_come_first() -> None:
    preset = replace(UNCHANGED, short_lengths=(1,))
    sampler = Sampler(studies(), preset, np.random.default_rng(6))
    assert sampler.draw().patches.shape[1] == 3
    batch = sampler.draw(short=True)
    assert batch.patches.shape[1] == 1
    assert batch.label[:, 0].tolist() == [0, 1] * (len(batch.label) // 2)
    assert len(batch.label) >= preset.patches_per_step - 1


def test_short_runs_leave_out_studies_whose_fractures_have_no_place() -> None:
    """Such a study is taken whole: beside runs of one patch it would be most of a batch."""
    data = studies((5, 9, 4), {0: [3], 1: [2]})
    unplaced = np.arange(18)
    data = replace(data, weight=np.where((unplaced >= 5) & (unplaced < 14), 0, 1).astype(np.uint8))
    preset = replace(UNCHANGED, short_lengths=(1,))
    sampler = Sampler(data, preset, np.random.default_rng(7))
    assert {sampler.draw(short=True).patches.shape[1] for _ in range(30)} == {1}
    assert {sampler.draw().patches.shape[1] for _ in range(30)} == {3, 9}
    nowhere = replace(data, weight=np.where(data.label, 0, data.weight).astype(np.uint8) * (unplaced >= 14))
    assert Sampler(nowhere, preset, np.random.default_rng(8)).draw(short=True).patches.shape[1] in {5, 9}
