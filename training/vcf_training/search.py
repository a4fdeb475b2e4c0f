# SPDX-License-Identifier: Apache-2.0
"""Ensemble search: a pool of trained candidates, and the best few of them (paper §3.3)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from vcf_contract.spec import PATCH
from vcf_preprocess.aggregate import Aggregation, aggregations
from vcf_training.architecture import MEMBERS, USUAL_MEMBERS, VARIANTS
from vcf_training.presets import MemberPreset
from vcf_training.ranking import Answers

_ROWS_AT_ONCE = 2048


@dataclass(frozen=True)
class Candidate:
    """A name (of a folder), the settings and the seed of one training."""

    name: str
    preset: MemberPreset
    seed: int


@dataclass(frozen=True)
class Ensemble:
    """Candidates by index, how their answers are aggregated, and the ROC AUC of the score that this gives."""

    members: tuple[int, ...]
    aggregation: Aggregation
    auc: float


def best_ensembles(
    labels: ArrayLike,
    answers: Answers,
    *,
    sizes: Sequence[int] = (USUAL_MEMBERS,),
    keep: int = 10,
    overlap: float = 0.0,
) -> list[Ensemble]:
    """The best ensembles by ROC AUC of the study score as it would be served; every combination is tried.

    Each ensemble stands in the list once, with the aggregation that is best for it.

    Parameters
    ----------
    labels
        (m,) of the tuning studies.
    answers
        Of the c candidates to these studies.
    sizes
        How many members an ensemble may have.
    keep
        How many ensembles, best first; of equal ones the smaller, then that of lower indices comes first.
    overlap
        Of the studies' patches.

    Raises
    ------
    ValueError
        A size that no ensemble may have, fewer candidates than that, or studies of one class alone.
    """
    y, count = np.asarray(labels, bool), len(answers.patch_probability)
    if not sizes or min(sizes) < 1 or max(sizes) > len(MEMBERS):
        raise ValueError(f"sizes {tuple(sizes)}: an ensemble has 1 to {len(MEMBERS)} members")
    if count < max(sizes):
        raise ValueError(f"{count} candidates: at least {max(sizes)} are needed")
    found: list[Ensemble] = []
    tried = aggregations(overlap)
    for size in sorted(set(sizes)):
        sets = np.array(list(combinations(range(count), size)))
        parts = [sets[i : i + _ROWS_AT_ONCE] for i in range(0, len(sets), _ROWS_AT_ONCE)]
        aucs = np.array(
            [
                np.concatenate([roc_aucs(y, answers.scores(aggregation, part)) for part in parts])
                for aggregation in tried
            ]
        )
        best = aucs.argmax(0)
        order = np.argsort(-aucs.max(0), kind="stable")[:keep]
        found += [Ensemble(tuple(int(i) for i in sets[n]), tried[best[n]], float(aucs[best[n], n])) for n in order]
    return sorted(found, key=lambda ensemble: -ensemble.auc)[:keep]


def roc_aucs(labels: NDArray[np.bool_], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """``metrics.roc_auc`` of every row of scores (n, m)."""
    positives, negatives = int(labels.sum()), int((~labels).sum())
    if not positives or not negatives:
        raise ValueError(f"{positives} positive and {negatives} negative studies: both classes are needed")
    ranks = rankdata(scores, axis=1)[:, labels].sum(1)
    areas: NDArray[np.float64] = (ranks - positives * (positives + 1) / 2) / (positives * negatives)
    return areas


CHANGES: dict[str, dict[str, Any]] = {
    "patch-24": {"patch": replace(PATCH, grid=(32, 24, 24), anterior_mm=40.0, posterior_mm=8.0, half_width_mm=18.0)},
    "patch-16": {"patch": replace(PATCH, grid=(16, 16, 16))},
    "window-bone": {"patch": replace(PATCH, window_centre_hu=420.0, window_width_hu=640.0)},
    "window-soft": {"patch": replace(PATCH, window_centre_hu=250.0, window_width_hu=600.0)},
    "glorot": {"initializer": "glorot_uniform"},
    "slow": {"learning_rate": 1 / 3},
    "fast": {"learning_rate": 2.0},
    "whole-studies": {"studies_per_step": 8},
    "patches-weigh-more": {"sequence_weight": 2.0},
    "shallow": {"architecture": VARIANTS["shallow-lstm"]},
    "max": {"architecture": VARIANTS["max-location"]},
    "smoothed-max": {"architecture": VARIANTS["lstm-smoothed-max"]},
}
"""What one candidate has other than the preset: patch size, HU window, initialisation, learning rate (a factor), batch
content, architecture. The first of the pool differ in their seeds alone."""


def pool(preset: MemberPreset, seed: int, *, seeds: int = 4, count: int | None = None) -> list[Candidate]:
    """The candidates of a search: the preset under several seeds, then one candidate for each of the `CHANGES`.

    ``count`` takes the first so many.
    """
    found = [Candidate(f"seed-{seed + n}", preset, seed + n) for n in range(1, seeds + 1)]
    for number, (name, change) in enumerate(CHANGES.items(), start=seed + seeds + 1):
        changed = dict(change)
        if "learning_rate" in changed:
            changed["learning_rate"] *= preset.learning_rate
        found.append(Candidate(name, replace(preset, **changed), number))
    return found[:count]


def table(names: Sequence[str], aucs: Sequence[float], ensembles: Sequence[Ensemble]) -> str:
    """Candidates, best first, and the best ensembles, as Markdown."""
    lines = ["| candidate | tuning AUC |", "|---|---|"]
    lines += [f"| {names[i]} | {aucs[i]:.4f} |" for i in np.argsort([-a for a in aucs], kind="stable")]
    lines += ["", "| ensemble | averaged | smoothed | tuning AUC |", "|---|---|---|---|"]
    lines += [
        f"| {', '.join(names[i] for i in e.members)} | {e.aggregation.order} |"
        f" {'yes' if e.aggregation.smoothing else 'no'} | {e.auc:.4f} |"
        for e in ensembles
    ]
    return "\n".join(lines) + "\n"
