# SPDX-License-Identifier: Apache-2.0
"""Figures of a score against labels."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

ALTERNATIVE_SENSITIVITY = 0.9


def roc_auc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the ROC curve, ties counted half (Mann–Whitney U).

    Raises
    ------
    ValueError
        Only one class is present.
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

    The threshold lies half way between two neighbouring scores, so that no tuning study sits on it. ``alternatives``
    are points for other purposes, fixed on the same studies: for evaluation to report, not to serve.
    """
    y, s = np.asarray(labels, bool), np.asarray(scores, float)
    between = _between(s)
    reached = [rates(y, s, t) for t in between]
    served = next(i for i, (_, spared) in enumerate(reached) if spared >= specificity)
    youden = int(np.argmax([sum(both) for both in reached]))
    sensitive = max(i for i, (found, _) in enumerate(reached) if found >= ALTERNATIVE_SENSITIVITY)

    def point(i: int, rule: str) -> dict[str, Any]:
        return {
            "threshold": between[i],
            "rule": f"{rule} on tuning studies",
            "tuning_sensitivity": reached[i][0],
            "tuning_specificity": reached[i][1],
        }

    return point(served, f"lowest threshold with specificity >= {specificity}") | {
        "tuning_studies": len(y),
        "alternatives": {
            "youden": point(youden, "largest sum of sensitivity and specificity"),
            "sensitive": point(sensitive, f"highest threshold with sensitivity >= {ALTERNATIVE_SENSITIVITY}"),
        },
    }


def _between(scores: NDArray[np.float64]) -> list[float]:
    """Thresholds that tell all scores apart: below all, half way between neighbours, above all."""
    levels = np.unique(scores)
    return [0.0, *((levels[1:] + levels[:-1]) / 2).tolist(), min(1.0, float(levels[-1]) + 1e-3)]
