# SPDX-License-Identifier: Apache-2.0
"""Do scores mean what they say, and what does a call mean where fractures are rarer than here?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from vcf_training.evaluation.intervals import Estimate, proportion

BINS = 10
PREVALENCES = (0.05, 0.10, 0.20)
"""Shares of patients over 50 with a fracture; the test sets hold far more."""


@dataclass(frozen=True)
class Bin:
    """Studies whose scores lie between ``low`` and ``high``: their mean score, and the share with a fracture."""

    low: float
    high: float
    studies: int
    mean_score: float
    fractured: Estimate


@dataclass(frozen=True)
class Calibration:
    """
    brier
        Mean square of score less label; ``brier_of_prevalence`` is that of the constant share of fractured studies.
    expected_error
        Mean distance of score and share over the bins, each by its number of studies (ECE).
    """

    bins: tuple[Bin, ...]
    brier: float
    brier_of_prevalence: float
    expected_error: float


def calibration(labels: ArrayLike, scores: ArrayLike, bins: int = BINS) -> Calibration:
    """Reliability over bins of equal width.

    Raises
    ------
    ValueError
        If there are no studies, or a score is no probability.
    """
    y, s = np.asarray(labels, bool), np.asarray(scores, float)
    if not len(s) or s.min() < 0 or s.max() > 1:
        raise ValueError(f"{len(s)} scores: at least one is needed, and all must lie between 0 and 1")
    number = np.minimum((s * bins).astype(int), bins - 1)
    made = []
    for i in np.unique(number).tolist():
        here = number == i
        share = proportion(int(y[here].sum()), int(here.sum()))
        assert share is not None  # a bin that holds none is left out
        made.append(Bin(i / bins, (i + 1) / bins, int(here.sum()), float(s[here].mean()), share))
    error = sum(b.studies * abs(b.mean_score - b.fractured.value) for b in made) / len(s)
    prevalence = float(y.mean())
    return Calibration(tuple(made), float(np.mean((s - y) ** 2)), prevalence * (1 - prevalence), float(error))


def predictive_values(
    sensitivity: Estimate, specificity: Estimate, prevalences: Sequence[float] = PREVALENCES
) -> list[tuple[float, Estimate, Estimate]]:
    """Prevalence, PPV and NPV by Bayes' theorem.

    Both rise with sensitivity and with specificity, so the ends follow from the ends of both intervals at once:
    wider than 95 %.
    """

    def ppv(found: float, spared: float, share: float) -> float:
        called = found * share + (1 - spared) * (1 - share)
        return found * share / called if called else float("nan")

    def npv(found: float, spared: float, share: float) -> float:
        passed = spared * (1 - share) + (1 - found) * share
        return spared * (1 - share) / passed if passed else float("nan")

    ends = [(getattr(sensitivity, end), getattr(specificity, end)) for end in ("value", "low", "high")]
    table = []
    for share in prevalences:
        ppvs, npvs = (Estimate(*(value(*rates, share) for rates in ends)) for value in (ppv, npv))
        table.append((share, ppvs, npvs))
    return table
