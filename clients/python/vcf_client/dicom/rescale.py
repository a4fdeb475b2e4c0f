# SPDX-License-Identifier: Apache-2.0
"""Stored values to Hounsfield units: bits, padding, rescale, clipping (DICOM PS3.3 sections C.7.6.3 and C.11.1)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcf_client.dicom.slices import Slice
from vcf_client.hounsfield import HIGHEST_HU, LOWEST_HU

_SAMPLE_STEP = 6


def significant_bits(stored: NDArray[Any], s: Slice) -> NDArray[Any]:
    """Drop the bits outside BitsStored (old files keep overlays there) and extend the sign; padding is left alone."""
    facts = s.facts
    width = 8 * stored.dtype.itemsize
    if facts.bits_stored >= width and facts.high_bit == width - 1:
        return stored
    if facts.high_bit >= width or facts.bits_stored > width or facts.high_bit < facts.bits_stored - 1:
        return stored
    shift = facts.high_bit + 1 - facts.bits_stored
    if facts.signed:
        low, high = -(1 << facts.bits_stored - 1), (1 << facts.bits_stored - 1) - 1
    else:
        low, high = 0, (1 << facts.bits_stored) - 1
    if shift == 0 and low <= stored.min() and stored.max() <= high:
        return stored
    kept = (stored << (width - 1 - facts.high_bit)) >> (width - facts.bits_stored)
    if s.padding is None:
        return kept
    return np.where(_is_padding(stored, s.padding), stored, kept)


def _is_padding(stored: NDArray[Any], padding: tuple[int, int]) -> NDArray[np.bool_]:
    wide = stored.astype(np.int32) if stored.dtype.itemsize < 4 else stored
    return (wide >= padding[0]) & (wide <= padding[1])


def sample_of(stored: NDArray[Any], s: Slice) -> NDArray[np.float32]:
    """Return some values of a slice before clipping, as float HU, without those that the header calls padding."""
    part = (stored.view(np.int16) if _only_shifts(stored, s) else stored)[::_SAMPLE_STEP, ::_SAMPLE_STEP]
    values = part.astype(np.float32) * np.float32(s.slope) + np.float32(s.intercept)
    return values[~_is_padding(part, s.padding)] if s.padding else values.ravel()


def to_hu(stored: NDArray[Any], s: Slice, out: NDArray[np.int16]) -> None:
    """Rescale into ``out`` and clip to what the volume keeps; ``stored`` may be ``out`` itself."""
    assert s.slope is not None and s.intercept is not None
    outside = _padding_mask(stored, s)
    if _only_shifts(stored, s):
        values = stored.view(np.int16)
        shift = int(s.intercept)
        np.maximum(values, max(LOWEST_HU - shift, -32768), out=out)
        if shift > 0:
            np.minimum(out, HIGHEST_HU - shift, out=out)
        out += np.int16(shift)
    else:
        hu = stored.astype(np.float32) * np.float32(s.slope) + np.float32(s.intercept)
        out[...] = np.rint(np.clip(hu, LOWEST_HU, HIGHEST_HU, out=hu))
    if outside is not None:
        out[outside] = LOWEST_HU


def _only_shifts(stored: NDArray[Any], s: Slice) -> bool:
    """Return whether rescaling is an addition that can be done in place.

    Unsigned values of 32768 and more are then padding that was written signed: as int16 they fall below the range.
    """
    assert s.intercept is not None
    return s.slope == 1 and stored.dtype.itemsize == 2 and s.intercept.is_integer() and abs(s.intercept) < 31_000


def _padding_mask(stored: NDArray[Any], s: Slice) -> NDArray[np.bool_] | None:
    """Padding that the clipping does not turn to air by itself.

    Where the padding value is also one of tissue, as 0 without an intercept is, only what touches the edge of the
    picture is padding.
    """
    if s.padding is None:
        return None
    assert s.slope is not None and s.intercept is not None
    hu = sorted(p * s.slope + s.intercept for p in s.padding)
    if hu[1] <= LOWEST_HU:
        return None
    mask = _is_padding(stored, s.padding)
    if hu[0] > 3500 or not mask.any():
        return mask
    from scipy import ndimage  # noqa: PLC0415 - rarely needed, and slow to load

    labels, _ = ndimage.label(mask)
    rim = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    touching: NDArray[np.bool_] = np.isin(labels, np.unique(rim[rim > 0]))
    return touching
