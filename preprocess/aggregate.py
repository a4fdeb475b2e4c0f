# SPDX-License-Identifier: Apache-2.0
"""From the members' probabilities to the study's score (paper §2.3 "Sequence Aggregation", §3.3)."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from preprocess.spec import SMOOTHING


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
    probabilities: ArrayLike, smoothing: tuple[float, ...] | None = SMOOTHING
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Average the ensemble, smooth along the spine, take the maximum.

    Parameters
    ----------
    probabilities
        (members, flips, k).

    Returns
    -------
    study_score, patch_scores (k,), patch_probabilities (k,)
        The scores are smoothed and the study's is their maximum; the probabilities are the plain means.

    Raises
    ------
    ValueError
        If there are no patches or a probability is not finite.
    """
    values = np.asarray(probabilities, np.float64)
    if values.ndim != 3 or 0 in values.shape:
        raise ValueError(f"probabilities must have shape (members, flips, k), all at least 1, found {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError("probabilities must be finite, found NaN or infinity")
    mean = values.mean((0, 1))
    scores = smooth(mean, smoothing)
    return float(scores.max()), scores, mean
