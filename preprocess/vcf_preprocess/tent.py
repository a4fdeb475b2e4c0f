# SPDX-License-Identifier: Apache-2.0
"""Resizing along one axis as weights: linear interpolation when enlarging, antialiased when reducing."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

AIR_HU = -1024
"""What lies outside the volume reads as air."""


def tent_weights(
    places: ArrayLike, n_in: int, pitch_in: float, pitch_out: float, window: slice | None = None
) -> NDArray[np.float32]:
    """Weights (…, n) of the input samples at places (…) of an output grid; sample i lies at i·pitch_in.

    A triangle of half width max(pitch_in, pitch_out) about each place, its weights summing to 1. A place
    outside the samples' extent (half a pitch beyond the outermost) has no weights at all: it reads as zero.

    Parameters
    ----------
    window
        Give the weights of these samples only, as found by `tent_window` for the same places or more.
    """
    samples = np.arange(n_in)[window or slice(None)] * pitch_in
    place = np.asarray(places, np.float64)[..., None]
    # Distances from the window's middle are small: single precision holds them to well under a micrometre.
    middle = samples.mean() if samples.size else 0.0
    weights = np.asarray(place - middle, np.float32) - np.asarray(samples - middle, np.float32)
    np.abs(weights, out=weights)
    weights *= np.float32(-1 / max(pitch_in, pitch_out))
    weights += 1
    np.maximum(weights, 0, out=weights)
    inside = (place >= -pitch_in / 2) & (place <= (n_in - 0.5) * pitch_in)
    total = weights.sum(-1, keepdims=True)
    weights *= np.divide(1, total, out=np.zeros_like(total), where=inside)
    return weights


def tent_window(places: ArrayLike, n_in: int, pitch_in: float, pitch_out: float) -> slice:
    """The range of input samples that the weights of these places can reach; empty if they lie outside."""
    reach = max(pitch_in, pitch_out)
    first = int(np.ceil((np.min(places) - reach) / pitch_in))
    last = int(np.floor((np.max(places) + reach) / pitch_in))
    return slice(min(max(first, 0), n_in), max(min(last + 1, n_in), 0))
