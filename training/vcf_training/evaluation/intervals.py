# SPDX-License-Identifier: Apache-2.0
"""Figures with 95 % confidence intervals: ROC areas, their differences, proportions, anything by bootstrap.

DeLong's method in the form of midranks (DeLong et al., Biometrics 1988;44:837; Sun & Xu, IEEE Signal Process Lett
2014;21:1389). It takes the studies as independent of each other; ``bootstrap`` can draw whole groups of them instead.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.stats import binomtest, norm, rankdata

from vcf_training.metrics import roc_auc

LEVEL = 0.95
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A figure and the ends of its interval."""

    value: float
    low: float
    high: float

    @property
    def interval(self) -> list[float]:
        """Both ends, as JSON has them."""
        return [self.low, self.high]

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f}–{self.high:.3f})"


@dataclass(frozen=True)
class Difference:
    """Compare two areas measured on the same studies: the first less the second, with a two-sided p-value."""

    estimate: Estimate
    p_value: float


def delong(labels: ArrayLike, *scores: ArrayLike) -> tuple[Array, Array]:
    """Areas (s,) of s scores of the same studies, and their covariance (s, s).

    Raises
    ------
    ValueError
        If there are fewer than two studies of a class: then nothing is known about the spread.
    """
    y = np.asarray(labels, bool)
    positives, negatives = int(y.sum()), int((~y).sum())
    if min(positives, negatives) < 2:
        raise ValueError(f"{positives} positive and {negatives} negative studies: at least two of each are needed")
    areas, of_positives, of_negatives = [], [], []
    for values in scores:
        s = np.asarray(values, float)
        among_all = rankdata(s)
        below_positive = (among_all[y] - rankdata(s[y])) / negatives
        areas.append(below_positive.mean())
        of_positives.append(below_positive)
        of_negatives.append(1 - (among_all[~y] - rankdata(s[~y])) / positives)
    covariance = np.atleast_2d(np.cov(of_positives)) / positives + np.atleast_2d(np.cov(of_negatives)) / negatives
    return np.array(areas), covariance


def auc(labels: ArrayLike, scores: ArrayLike) -> Estimate:
    """Area under the ROC curve with DeLong's interval; with Newcombe's where the classes are wholly separate.

    Raises
    ------
    ValueError
        As ``delong``.
    """
    (area,), ((variance,),) = delong(labels, scores)
    if variance <= 0:
        y = np.asarray(labels, bool)
        return Estimate(float(area), *_newcombe(float(area), int(y.sum()), int((~y).sum())))
    reach = _z() * float(np.sqrt(variance))
    return Estimate(float(area), max(0.0, float(area) - reach), min(1.0, float(area) + reach))


def auc_difference(labels: ArrayLike, first: ArrayLike, second: ArrayLike) -> Difference:
    """Area of ``first`` less that of ``second`` on the same studies (DeLong's test).

    Raises
    ------
    ValueError
        As ``delong``.
    """
    (a, b), covariance = delong(labels, first, second)
    contrast = np.array((1.0, -1.0))
    error = float(np.sqrt(max(0.0, contrast @ covariance @ contrast)))
    difference = float(a - b)
    if error == 0:
        return Difference(Estimate(difference, difference, difference), 1.0 if difference == 0 else 0.0)
    reach = _z() * error
    return Difference(
        Estimate(difference, difference - reach, difference + reach), float(2 * norm.sf(abs(difference) / error))
    )


def proportion(hits: int, of: int, method: Literal["wilson", "exact"] = "wilson") -> Estimate | None:
    """A share with Wilson's score interval, or with Clopper and Pearson's exact one; None of nothing."""
    if of == 0:
        return None
    ends = binomtest(hits, of).proportion_ci(LEVEL, method=method)
    return Estimate(hits / of, float(ends.low), float(ends.high))


def bootstrap(
    statistic: Callable[[NDArray[np.intp]], float],
    groups: Sequence[Any],
    *,
    samples: int = 2000,
    seed: int = 0,
) -> list[float]:
    """Percentile interval of ``statistic(indices)`` over samples of whole groups drawn with replacement.

    Parameters
    ----------
    groups
        One entry a study; studies with equal entries (of one patient) are drawn together.

    Samples for which the statistic is no number, or which hold one class alone (``ValueError``), are left out.
    """
    names = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    of_study = np.array([names[group] for group in groups])
    members = [np.flatnonzero(of_study == number) for number in range(len(names))]
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(samples):
        chosen = np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))])
        try:
            value = statistic(chosen)
        except ValueError:
            continue
        if np.isfinite(value):
            values.append(value)
    if not values:
        return [float("nan")] * 2
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(values, [tail, 100 - tail]).tolist()
    return [low, high]


def bootstrap_auc(
    labels: ArrayLike, scores: ArrayLike, groups: Sequence[Any], *, samples: int = 2000, seed: int = 0
) -> list[float]:
    """Interval of the ROC area by a bootstrap of whole groups."""
    y, s = np.asarray(labels, bool), np.asarray(scores, float)
    return bootstrap(lambda i: roc_auc(y[i], s[i]), groups, samples=samples, seed=seed)


def _z() -> float:
    return float(norm.ppf(0.5 + LEVEL / 2))


def hanley_mcneil_variance(area: float, positives: int, negatives: int) -> float:
    """Variance of an area from its size alone (Hanley & McNeil, Radiology 1982;143:29, with exponential scores)."""
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    spread = area * (1 - area) + (positives - 1) * (q1 - area**2) + (negatives - 1) * (q2 - area**2)
    return spread / (positives * negatives)


def _newcombe(area: float, positives: int, negatives: int) -> tuple[float, float]:
    """Those areas from which the measured one lies no more than z standard errors of their own away.

    After Newcombe, Stat Med 2006;25:559. Unlike DeLong's it has a width where no pair of studies is out of order.
    """

    def excess(true: float) -> float:
        return (area - true) ** 2 - _z() ** 2 * hanley_mcneil_variance(true, positives, negatives)

    edge = 1e-9
    low = 0.0 if area <= edge else float(brentq(excess, edge, area - edge))
    high = 1.0 if area >= 1 - edge else float(brentq(excess, area + edge, 1 - edge))
    return low, high
