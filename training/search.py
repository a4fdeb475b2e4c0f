# SPDX-License-Identifier: Apache-2.0
"""Ensemble search: a pool of trained candidates, and the best three of them (paper §3.3)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from preprocess.spec import PATCH
from training.architecture import VARIANTS
from training.presets import MemberPreset
from vcf.contract import MEMBERS

_ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class Candidate:
    """A name (of a folder), the settings and the seed of one training."""

    name: str
    preset: MemberPreset
    seed: int


@dataclass(frozen=True)
class Ensemble:
    """Candidates by index, and the AUC of their mean score."""

    members: tuple[int, ...]
    auc: float


def best_ensembles(labels: ArrayLike, scores: ArrayLike, *, size: int = len(MEMBERS), keep: int = 10) -> list[Ensemble]:
    """The best ensembles of ``size`` candidates by ROC AUC of their mean score, every combination tried.

    Args:
        labels: (m,) of the tuning studies.
        scores: (c, m) study scores of each candidate, flips averaged.
        keep: how many, best first; of equal ones those of lower indices come first.

    Raises:
        ValueError: fewer candidates than ``size``, or studies of one class alone.
    """
    y, s = np.asarray(labels, bool), np.asarray(scores, float)
    if len(s) < size:
        raise ValueError(f"{len(s)} candidates: at least {size} are needed")
    sets = np.array(list(combinations(range(len(s)), size)))
    parts = [sets[i : i + _ROWS_AT_ONCE] for i in range(0, len(sets), _ROWS_AT_ONCE)]
    aucs = np.concatenate([roc_aucs(y, s[part].mean(1)) for part in parts])
    order = np.argsort(-aucs, kind="stable")[:keep]
    return [Ensemble(tuple(int(i) for i in sets[n]), float(aucs[n])) for n in order]


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
    lines += ["", "| ensemble | tuning AUC |", "|---|---|"]
    lines += [f"| {', '.join(names[i] for i in e.members)} | {e.auc:.4f} |" for e in ensembles]
    return "\n".join(lines) + "\n"
