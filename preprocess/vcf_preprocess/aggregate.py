# SPDX-License-Identifier: Apache-2.0
"""The members' probabilities become the study's score (paper §2.3 "Sequence Aggregation", §3.3).

`study_scores` is the one function for it: the server, the ensemble search, the threshold and the evaluation all call
it, so an ensemble is ranked by the score that it is served with.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vcf_contract.spec import SMOOTHING

Order = Literal["patches", "scores"]
MAX_OVERLAP = 0.75
NOT_LEARNED = -1.0
"""Stands for a study probability of a member whose F_agg is the maximum, which nothing was learned for."""


@dataclass(frozen=True)
class Aggregation:
    """Tell how the answers of all members under all flips become one study score.

    order
        ``patches`` averages each patch's probabilities, smooths them along the spine and takes their maximum.
        ``scores`` gives each member under each flip a study score of its own, by its learned F_agg or else by the
        maximum of its smoothed probabilities, and averages these, as the paper averages its models' outputs (§3.3).
    smoothing
        Weights of a patch and its neighbours before the maximum; None leaves the probabilities as they are.
    overlap
        Share of its height that a patch has in common with the next one, at least: how many views of each vertebra
        there are to aggregate. 0 tiles the spine with the fewest patches, 0.5 with about twice as many.

    Raises
    ------
    ValueError
        If the order is another one, the weights are not an odd number of positive ones, or patches overlap by less
        than nothing or more than three quarters.
    """

    order: Order = "patches"
    smoothing: tuple[float, ...] | None = SMOOTHING
    overlap: float = 0.0

    def __post_init__(self) -> None:
        if self.order not in get_args(Order):
            raise ValueError(f"order {self.order!r}: one of {', '.join(get_args(Order))} is needed")
        weights = self.smoothing
        if weights is not None and (len(weights) % 2 == 0 or not all(weight > 0 for weight in weights)):
            raise ValueError(f"smoothing {weights}: an odd number of positive weights is needed, or none")
        if not 0 <= self.overlap <= MAX_OVERLAP:
            raise ValueError(f"overlap {self.overlap}: a share from 0 to {MAX_OVERLAP} is needed")

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> "Aggregation":
        """Read what `plain` gave; the defaults where the entry says nothing."""
        smoothing = entry.get("smoothing", SMOOTHING)
        weights = None if smoothing is None else tuple(map(float, smoothing))
        return cls(entry.get("order", "patches"), weights, float(entry.get("overlap", 0.0)))

    def plain(self) -> dict[str, Any]:
        """Give it as JSON holds it."""
        smoothing = None if self.smoothing is None else list(self.smoothing)
        return {"order": self.order, "smoothing": smoothing, "overlap": self.overlap}


WIDE_SMOOTHING = (1 / 9, 2 / 9, 3 / 9, 2 / 9, 1 / 9)
"""Twice as wide as the usual one: where a scan begins and ends decides less often (docs/architecture.md)."""
AGGREGATIONS = tuple(
    Aggregation(order, smoothing) for order in get_args(Order) for smoothing in (SMOOTHING, None, WIDE_SMOOTHING)
)
"""What a threshold or a search chooses from, for patches as they come."""


def aggregations(overlap: float = 0.0) -> tuple[Aggregation, ...]:
    """Give all `AGGREGATIONS` of patches that overlap by this share of their height."""
    return tuple(replace(aggregation, overlap=overlap) for aggregation in AGGREGATIONS)


class StudyScores(NamedTuple):
    """Tell what is known of one study, or with leading dimensions (…) of several."""

    study_score: Any
    """A number, or (…)."""
    patch_scores: NDArray[np.float64]
    """(…, k): smoothed means."""
    patch_probabilities: NDArray[np.float64]
    """(…, k): plain means."""


def smooth(probabilities: NDArray[Any], kernel: tuple[float, ...] | None = SMOOTHING) -> NDArray[np.float64]:
    """Weighted mean of each patch (…, k) with its neighbours; the kernel is renormalised at the ends."""
    values = np.asarray(probabilities, np.float64)
    if kernel is None:
        return values
    reach = len(kernel) // 2
    distance = np.arange(values.shape[-1])[:, None] - np.arange(values.shape[-1])
    weights = np.where(np.abs(distance) <= reach, np.asarray(kernel)[np.clip(distance + reach, 0, 2 * reach)], 0.0)
    smoothed: NDArray[np.float64] = values @ (weights / weights.sum(1, keepdims=True)).T
    return smoothed


def study_scores(
    patch_probability: ArrayLike,
    study_probability: ArrayLike | None = None,
    aggregation: Aggregation = Aggregation(),
) -> StudyScores:
    """Make one study score, and a score of each patch, of what all members say under all flips.

    Parameters
    ----------
    patch_probability
        (…, members, flips, k).
    study_probability
        (…, members, flips) by each member's learned F_agg, `NOT_LEARNED` where it has none; None if no member has.

    Raises
    ------
    ValueError
        If there are no patches, the shapes do not fit together, or a probability is not finite.
    """
    values = np.asarray(patch_probability, np.float64)
    if values.ndim < 3 or 0 in values.shape:
        raise ValueError(f"probabilities must have shape (members, flips, k), all at least 1, found {values.shape}")
    learned = np.full(values.shape[:-1], NOT_LEARNED) if study_probability is None else np.asarray(study_probability)
    if learned.shape != values.shape[:-1]:
        raise ValueError(f"study probabilities must have shape {values.shape[:-1]}, found {learned.shape}")
    if not (np.isfinite(values).all() and np.isfinite(learned).all()):
        raise ValueError("probabilities must be finite, found NaN or infinity")
    mean = values.mean((-3, -2))
    scores = smooth(mean, aggregation.smoothing)
    if aggregation.order == "patches":
        return StudyScores(scores.max(-1), scores, mean)
    largest = smooth(values, aggregation.smoothing).max(-1)
    return StudyScores(np.where(learned >= 0, learned, largest).mean((-2, -1)), scores, mean)
