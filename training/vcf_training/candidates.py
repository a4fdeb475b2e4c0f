# SPDX-License-Identifier: Apache-2.0
"""Candidates: single members trained under settings of their own, for the ensemble search and for comparisons.

Each has a folder OUT/candidates/NAME with its checkpoint, its weights, its curves and ``result.json``; a candidate that
has a result is not trained again.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from vcf_training import member, store, variants
from vcf_training.architecture import MEMBERS
from vcf_training.checkpoint import Checkpoint, as_json, differences, digest, settings_of
from vcf_training.patch_variants import resampled
from vcf_training.ranking import Answers, answers, best_aggregation
from vcf_training.search import Candidate
from vcf_training.served import Member
from vcf_training.studies import Studies

CANDIDATES, RESULT = "candidates", "result.json"
Progress = Callable[[str, int, int, dict[str, float]], None]


@dataclass(frozen=True)
class Outcome:
    """Tell what a trained candidate is chosen by.

    answers
        Of this one member, to the tuning studies.
    scores
        (m,) study scores if it is served alone, with the aggregation that is best for it.
    auc
        Of these scores.
    """

    candidate: Candidate
    answers: Answers
    scores: NDArray[np.float64]
    auc: float
    step: int
    minutes: float


def train_candidate(
    candidate: Candidate,
    out: Path,
    training: Studies,
    tuning: Studies,
    progress: Progress = lambda *_: None,
) -> Outcome:
    """Train one candidate, go on with it, or read its result; ``out`` is the folder of the whole search."""
    preset, folder = candidate.preset, out / CANDIDATES / candidate.name
    settings = settings_of(preset, candidate.seed, digest(training, tuning))
    if known := _result(candidate, folder, settings):
        return known
    kept = Checkpoint(folder / "checkpoint.npz", settings)
    learnt, judged = resampled(training, preset.patch), resampled(tuning, preset.patch)
    trained = member.train(
        learnt,
        judged,
        preset,
        member=MEMBERS[0],
        seed=candidate.seed,
        progress=lambda step, figures: progress(candidate.name, step, preset.steps, figures),
        kept=kept,
        logs=folder / "logs",
    )
    alone = Member(MEMBERS[0], preset.architecture, preset.patch, trained.encoder, trained.head)
    given = answers([alone], tuning)
    aggregation, auc = best_aggregation(tuning.study_label, given, preset.overlap)
    folder.mkdir(parents=True, exist_ok=True)
    trained.encoder.save_weights(folder / "encoder.weights.h5")
    trained.head.save_weights(folder / "head.weights.h5")
    result = {
        "settings": settings,
        "auc": auc,
        "best_step": trained.step,
        "history": trained.history,
        "minutes": round(kept.seconds / 60, 1),
        "scores": given.scores(aggregation).tolist(),
        "patch_probability": given.patch_probability.tolist(),
        "study_probability": given.study_probability.tolist(),
        "starts": given.starts.tolist(),
    }
    store.write_whole(folder / RESULT, json.dumps(result))
    kept.remove()
    return _outcome(candidate, result)


def load_networks(candidate: Candidate, out: Path) -> tuple[keras.Model, keras.Model]:
    """F_rep and ``variants.classifier`` of a trained candidate."""
    preset, folder = candidate.preset, out / CANDIDATES / candidate.name
    encoder = variants.patch_encoder(preset.architecture, preset.patch.grid)
    head = variants.classifier(preset.architecture, encoder.output_shape[-1])
    encoder.load_weights(folder / "encoder.weights.h5")
    head.load_weights(folder / "head.weights.h5")
    return encoder, head


def _result(candidate: Candidate, folder: Path, settings: dict[str, Any]) -> Outcome | None:
    path = folder / RESULT
    if not path.is_file():
        return None
    result = json.loads(path.read_text())
    if any(differences(result["settings"], as_json(settings))):
        return None
    return _outcome(candidate, result)


def _outcome(candidate: Candidate, result: dict[str, Any]) -> Outcome:
    given = Answers(
        np.array(result["patch_probability"], np.float32),
        np.array(result["study_probability"], np.float32),
        np.array(result["starts"], np.int64),
    )
    scores = np.array(result["scores"])
    return Outcome(candidate, given, scores, result["auc"], result["best_step"], result["minutes"])
