# SPDX-License-Identifier: Apache-2.0
"""Free-response ROC of the patch boxes: do they lie where the fractures are?

A fractured vertebra is found at a threshold if its centre lies inside a box whose patch score reaches it. A box that
reaches the threshold and shows no fracture is a false positive; one that shows at least half of a fractured vertebra's
height, but not its centre, is neither. Every box counts for itself, also beside another: merged, the boxes of a whole
spine would be a single finding and any threshold of zero a perfect detector.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcf_training.evaluation.intervals import bootstrap
from vcf_training.phantom import Vertebra, fractured_in

RATES = (1 / 8, 1 / 4, 1 / 2, 1.0, 2.0, 4.0, 8.0)
"""False positive boxes a scan at which the sensitivity is read off."""
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Marked:
    """One study: for each fracture the best score of a box with its centre (−inf without one), and the scores of the
    boxes without any fracture."""

    found: Array
    false: Array


def mark(scores: Array, boxes_mm: NDArray[np.floating[Any]], fractures: Sequence[Vertebra]) -> Marked:
    """Sort the boxes (k, 6) of a study, with their scores (k,), by what they show."""
    low, high = boxes_mm[:, 2], boxes_mm[:, 5]
    found = []
    for v in fractures:
        inside = np.all((boxes_mm[:, :3] <= v.centre_mm) & (boxes_mm[:, 3:] >= v.centre_mm), axis=1)
        found.append(float(scores[inside].max(initial=-np.inf)))
    sound = [not fractured_in(fractures, float(a), float(b)) for a, b in zip(low, high, strict=True)]
    return Marked(np.array(found), np.asarray(scores, float)[sound])


@dataclass(frozen=True)
class Froc:
    """The curve, one point a threshold: false positive boxes a scan and share of the fractures that were found."""

    false_per_scan: Array
    sensitivity: Array

    def at(self, rate: float) -> float:
        """Largest sensitivity with at most ``rate`` false positive boxes a scan."""
        return float(self.sensitivity[self.false_per_scan <= rate].max(initial=0.0))


def froc(studies: Sequence[Marked]) -> Froc:
    """The curve over studies.

    Raises
    ------
    ValueError
        If there is no fracture among them.
    """
    found = np.sort(np.concatenate([s.found for s in studies]))
    false = np.sort(np.concatenate([s.false for s in studies]))
    if not len(found):
        raise ValueError("no fracture in any study: nothing can be found")
    thresholds = np.unique(np.concatenate([found[np.isfinite(found)], false]))[::-1]
    reached = len(found) - np.searchsorted(found, thresholds)
    wrong = len(false) - np.searchsorted(false, thresholds)
    return Froc(np.append(0.0, wrong / len(studies)), np.append(0.0, reached / len(found)))


def at_threshold(studies: Sequence[Marked], threshold: float) -> tuple[int, int, int]:
    """Fractures found, fractures in all, and false positive boxes at a threshold."""
    found = np.concatenate([s.found for s in studies]) if studies else np.empty(0)
    false = np.concatenate([s.false for s in studies]) if studies else np.empty(0)
    return int((found >= threshold).sum()), len(found), int((false >= threshold).sum())


def sensitivity_interval(
    studies: Sequence[Marked], groups: Sequence[Any], rate: float, *, samples: int = 500
) -> list[float]:
    """Interval of the sensitivity at a rate of false positives, by a bootstrap of whole groups of studies."""
    return bootstrap(lambda chosen: froc([studies[i] for i in chosen]).at(rate), groups, samples=samples)
