# SPDX-License-Identifier: Apache-2.0
"""Figures of a score against labels."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata


def roc_auc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the ROC curve, ties counted half (Mann–Whitney U).

    Raises:
        ValueError: only one class is present.
    """
    y, s = np.asarray(labels, bool), np.asarray(scores, float)
    positives, negatives = int(y.sum()), int((~y).sum())
    if not positives or not negatives:
        raise ValueError(f"{positives} positive and {negatives} negative studies: both classes are needed")
    ranks = rankdata(s)
    return float((ranks[y].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def rates(labels: ArrayLike, scores: ArrayLike, threshold: float) -> tuple[float, float]:
    """Sensitivity and specificity when a score of at least ``threshold`` calls a study positive."""
    y, called = np.asarray(labels, bool), np.asarray(scores, float) >= threshold
    return float(called[y].mean()), float((~called[~y]).mean())


def operating_point(labels: ArrayLike, scores: ArrayLike, *, specificity: float = 0.95) -> dict[str, Any]:
    """The lowest threshold that reaches a specificity on tuning studies, with the rates it gives there.

    The threshold lies half way between two neighbouring scores, so that no tuning study sits on it.
    """
    y, s = np.asarray(labels, bool), np.asarray(scores, float)
    levels = np.unique(s)
    between = np.concatenate([[0.0], (levels[1:] + levels[:-1]) / 2, [min(1.0, levels[-1] + 1e-3)]])
    threshold = next(float(t) for t in between if rates(y, s, t)[1] >= specificity)
    sensitivity, reached = rates(y, s, threshold)
    return {
        "threshold": threshold,
        "rule": f"lowest threshold with specificity >= {specificity} on tuning studies",
        "tuning_sensitivity": sensitivity,
        "tuning_specificity": reached,
        "tuning_studies": len(y),
    }
