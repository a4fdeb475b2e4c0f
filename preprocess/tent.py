# SPDX-License-Identifier: Apache-2.0
"""Resizing along one axis as weights: linear interpolation when enlarging, antialiased when reducing."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

AIR_HU = -1024
"""What lies outside the volume reads as air."""


def tent_weights(places: ArrayLike, n_in: int, pitch_in: float, pitch_out: float) -> NDArray[np.float32]:
    """Weights (…, n_in) of the input samples at places (…) of an output grid; sample i lies at i·pitch_in.

    A triangle of half width max(pitch_in, pitch_out) about each place, its weights summing to 1. A place
    outside the samples' extent (half a pitch beyond the outermost) has no weights at all: it reads as zero.
    """
    place = np.asarray(places, np.float64)[..., None]
    weights = np.maximum(0.0, 1.0 - np.abs(place - np.arange(n_in) * pitch_in) / max(pitch_in, pitch_out))
    inside = (place >= -pitch_in / 2) & (place <= (n_in - 0.5) * pitch_in)
    total = weights.sum(-1, keepdims=True)
    return np.asarray(np.divide(weights, total, out=np.zeros_like(weights), where=inside), np.float32)


def support(weights: NDArray[np.float32]) -> slice:
    """The smallest range of input samples that any of the outputs reads; empty if none does."""
    used = np.flatnonzero(weights.reshape(-1, weights.shape[-1]).any(0))
    return slice(int(used[0]), int(used[-1]) + 1) if used.size else slice(0, 0)
