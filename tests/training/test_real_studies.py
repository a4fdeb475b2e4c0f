# SPDX-License-Identifier: Apache-2.0
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from training import real_studies
from training.studies import Studies


def one_study(label: int, name: str) -> Studies:
    return Studies(
        np.full((2, 8, 8, 8), label, np.uint8),
        np.array([0, 1], np.float32),
        np.array([0, label], np.uint8),
        np.ones(2, np.uint8),
        np.array([0, 2 * label], np.uint8),
        np.full((2, 8, 5), np.nan, np.float16),
        np.array([0, 2], np.int64),
        np.array([name]),
    )


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, float]]:
    """Stands in for the deformation of CTs: (seed, probability) of every sample that was asked for."""
    asked: list[tuple[int, float]] = []

    def draw(seed: int, count: int, *, fracture_probability: float, **_: Any) -> Studies:
        asked.append((seed, fracture_probability))
        if seed == 1:
            raise ValueError("no deformation succeeded")
        return one_study(round(fracture_probability), f"warp-{seed}")

    monkeypatch.setattr(real_studies, "warped_studies", draw)
    monkeypatch.setattr(real_studies, "load_patients", lambda *_: ["a CT"])
    return asked


def test_twins_of_each_deformation_and_none_of_one_that_fails(drawn: list[tuple[int, float]], tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    studies = real_studies.load_warped(3, 1, tmp_path, done=lambda done, total: told.append((done, total)))
    assert studies is not None
    assert studies.name.tolist() == ["warp-0", "warp-0", "warp-2", "warp-2"]
    assert studies.study_label.tolist() == [0, 1, 0, 1]
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_drawn_once_then_read_from_the_cache(drawn: list[tuple[int, float]], tmp_path: Path) -> None:
    first = real_studies.load_warped(1, 1, tmp_path)
    asked = len(drawn)
    again = real_studies.load_warped(1, 1, tmp_path)
    assert first is not None
    assert again is not None
    assert len(drawn) == asked == 2
    np.testing.assert_array_equal(again.label, first.label)


def test_test_patient_has_seeds_and_a_cache_entry_of_its_own(drawn: list[tuple[int, float]], tmp_path: Path) -> None:
    real_studies.load_warped(1, 1, tmp_path)
    real_studies.load_warped(1, 1, tmp_path, use="evaluate")
    assert {seed for seed, _ in drawn} == {0, real_studies.EVALUATION_SEED}
    assert len(list(tmp_path.iterdir())) == 2


def test_no_samples_and_no_patients_give_no_studies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(real_studies, "load_patients", lambda *_: [])
    assert real_studies.load_warped(0, 1, tmp_path) is None
    assert real_studies.load_warped(2, 1, tmp_path) is None
    assert not list(tmp_path.iterdir())
