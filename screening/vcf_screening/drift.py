# SPDX-License-Identifier: Apache-2.0
"""Tell whether the studies of a screening are like those of another: their scores, and what made their images.

References
----------
N. Siddiqi, *Credit Risk Scorecards* (2006), chapter 6: the population stability index, Σ (p − q) ln(p / q) over the
classes of a variable; below 0.1 alike, from 0.25 on another population.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy.stats import ks_2samp

ALIKE, OTHER = 0.1, 0.25
_LEAST_SHARE = 1e-4
"""Stands for a share of nothing, whose logarithm there is none of."""
_MOST_CLASSES = 12


@dataclass(frozen=True)
class Shares:
    """A variable by its classes: share in the reference and now, the most frequent first."""

    name: str
    stability: float
    classes: list[tuple[str, float, float]]

    @property
    def verdict(self) -> str:
        """The rule of thumb of the index."""
        if self.stability < ALIKE:
            return "alike"
        return "shifted" if self.stability < OTHER else "another population"


@dataclass(frozen=True)
class Scores:
    """Two distributions of scores: the largest distance between them, and how often chance alone makes it as large."""

    distance: float
    p_value: float


def scores(reference: Sequence[float], now: Sequence[float]) -> Scores | None:
    """Kolmogorov and Smirnov's test of two samples; None where one is empty."""
    if not len(reference) or not len(now):
        return None
    found = ks_2samp(reference, now)
    return Scores(float(found.statistic), float(found.pvalue))


def shares(name: str, reference: Mapping[str, int], now: Mapping[str, int]) -> Shares:
    """Compare how often each class of a variable is met."""
    totals = max(1, sum(reference.values())), max(1, sum(now.values()))
    both = Counter(reference) + Counter(now)
    classes = [
        (each or "not known", reference.get(each, 0) / totals[0], now.get(each, 0) / totals[1])
        for each, _ in both.most_common()
    ]
    stability = 0.0
    for _, before, after in classes:
        p, q = max(after, _LEAST_SHARE), max(before, _LEAST_SHARE)
        stability += (p - q) * math.log(p / q)
    return Shares(name, stability, classes[:_MOST_CLASSES])
