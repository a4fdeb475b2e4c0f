# SPDX-License-Identifier: Apache-2.0
"""A candidate that has a result is not trained again; one whose settings or data are others is."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow")
from vcf_contract.spec import PATCH
from vcf_training import candidates, member
from vcf_training.candidates import CANDIDATES, RESULT, train_candidate
from vcf_training.checkpoint import digest, settings_of
from vcf_training.presets import PRESETS
from vcf_training.search import Candidate
from vcf_training.studies import Studies

CANDIDATE = Candidate("one", PRESETS["tiny"].member, 7)


def studies(seed: int = 0) -> Studies:
    """Two studies of two patches."""
    rng = np.random.default_rng(seed)
    label = np.array([0, 1, 0, 0], np.uint8)
    return Studies(
        rng.integers(0, 255, (4, *PATCH.grid)).astype(np.uint8),
        np.tile([0.25, 0.75], 2).astype(np.float32),
        label,
        np.ones(4, np.uint8),
        3 * label,
        np.full((4, PATCH.grid[0], 5), np.nan, np.float16),
        np.arange(0, 5, 2),
        np.array(["a", "b"]),
    )


@pytest.fixture
def written(tmp_path: Path) -> dict[str, Any]:
    """A result as training leaves it."""
    result = {
        "settings": settings_of(CANDIDATE.preset, CANDIDATE.seed, digest(studies(), studies(1))),
        "auc": 0.75,
        "best_step": 2,
        "minutes": 1.5,
        "scores": [0.25, 0.5],
        "patch_probability": np.full((1, 2, 4), 0.5).tolist(),
        "study_probability": np.full((1, 2, 2), -1.0).tolist(),
        "starts": [0, 2, 4],
    }
    folder = tmp_path / CANDIDATES / CANDIDATE.name
    folder.mkdir(parents=True)
    (folder / RESULT).write_text(json.dumps(result, default=str))
    return result


class Trained(Exception):
    """Training began."""


@pytest.fixture(autouse=True)
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def train(*_: object, **__: object) -> None:
        raise Trained

    monkeypatch.setattr(member, "train", train)


def test_a_known_result_is_read(written: dict[str, Any], tmp_path: Path) -> None:
    found = train_candidate(CANDIDATE, tmp_path, studies(), studies(1))
    assert (found.auc, found.step, found.minutes) == (0.75, 2, 1.5)
    assert found.scores.tolist() == written["scores"]
    assert found.answers.patch_probability.shape == (1, 2, 4) and found.answers.starts.tolist() == [0, 2, 4]


@pytest.mark.parametrize(
    ("candidate", "tuning"),
    [
        (replace(CANDIDATE, seed=8), 1),
        (replace(CANDIDATE, preset=replace(CANDIDATE.preset, steps=3)), 1),
        (CANDIDATE, 2),
        (replace(CANDIDATE, name="other"), 1),
    ],
    ids=["seed", "preset", "data", "name"],
)
def test_a_result_of_anything_else_is_none(
    written: dict[str, Any], tmp_path: Path, candidate: Candidate, tuning: int
) -> None:
    assert written
    with pytest.raises(Trained):
        train_candidate(candidate, tmp_path, studies(), studies(tuning))


def test_networks_that_were_not_trained_are_not_loaded(tmp_path: Path) -> None:
    with pytest.raises((FileNotFoundError, OSError)):
        candidates.load_networks(CANDIDATE, tmp_path)
