# SPDX-License-Identifier: Apache-2.0
"""Fourier resampling of columns as a linear map (paper §2.2: "along the column of each slice … Fourier transforms").

Trigonometric interpolation of n samples at m places is an m × n matrix that depends on n and m alone. Kept as a
matrix it composes with what follows (a patch needs 32 rows, not all of them), costs one matrix product instead
of two transforms a column, and does not care whether a length has large prime factors.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from vcf_contract.spec import FOURIER_MODE, FourierMode


def resampled_length(n_slices: int, slice_spacing_mm: float, pixel_mm: float) -> int:
    """Number of rows after resampling along z to the in-plane pixel size: round(n·dz/dy), at least 2."""
    return max(2, round(n_slices * slice_spacing_mm / pixel_mm))


@lru_cache(maxsize=16)
def resampling_matrix(n_in: int, n_out: int, mode: FourierMode = FOURIER_MODE) -> NDArray[np.float32]:
    """Matrix (n_out, n_in) that resamples a column by trigonometric interpolation.

    Row j is the value at sample position j·n_in/n_out, so the pitch is n_in/n_out of the old one.

    Parameters
    ----------
    mode
        ``plain``: the column is taken as periodic, as ``scipy.signal.resample`` does; top and bottom wrap round.
        ``reflect``: the column is continued by its own reflection (period 2·n_in − 2) and trimmed, which leaves
        no jump at the ends to ring.

    Raises
    ------
    ValueError
        If a length is under 2 or the mode is unknown.
    """
    if n_in < 2 or n_out < 2:
        raise ValueError(f"n_in and n_out must be at least 2, found {n_in} and {n_out}")
    if mode == "plain":
        matrix = _plain(n_in, n_out)
    elif mode == "reflect":
        matrix = _reflect(n_in, n_out)
    else:
        raise ValueError(f"mode must be 'plain' or 'reflect', found {mode!r}")
    matrix.setflags(write=False)  # shared by everybody through the cache
    return matrix


def resample_columns(
    columns: NDArray[Any], n_out: int, mode: FourierMode = FOURIER_MODE, axis: int = 0
) -> NDArray[np.float32]:
    """Resample an array along one axis; see `resampling_matrix`. Each column is resampled on its own."""
    moved = np.moveaxis(np.asarray(columns, np.float32), axis, 0)
    flat = resampling_matrix(moved.shape[0], n_out, mode) @ moved.reshape(moved.shape[0], -1)
    return np.moveaxis(flat.reshape(n_out, *moved.shape[1:]), 0, axis)


def _plain(n_in: int, n_out: int) -> NDArray[np.float32]:
    """Zero-pad or cut the spectrum of the unit impulses; the bin at the Nyquist frequency stands for two."""
    spectrum = fft.rfft(np.eye(n_in), axis=0)
    kept = min(n_in, n_out)
    resized = np.zeros((n_out // 2 + 1, n_in), np.complex128)
    resized[: kept // 2 + 1] = spectrum[: kept // 2 + 1]
    if kept % 2 == 0 and n_in != n_out:
        resized[kept // 2] *= 2.0 if n_out < n_in else 0.5
    return np.ascontiguousarray(fft.irfft(resized, n_out, axis=0) * (n_out / n_in), dtype=np.float32)


def _reflect(n_in: int, n_out: int) -> NDArray[np.float32]:
    """The periodic kernel over one period of the reflected column, folded back on the column."""
    period = 2 * n_in - 2
    places = np.arange(n_out) * (n_in / n_out)
    harmonics = n_in - 1 if n_out >= n_in else max(1, int((n_in - 1) * n_out / n_in))
    samples = np.arange(n_in)
    kernel = _dirichlet(places[:, None] - samples, period, harmonics)
    mirrored = _dirichlet(places[:, None] + samples, period, harmonics)
    mirrored[:, [0, -1]] = 0  # the first and last sample are their own mirror image
    return np.asarray(kernel + mirrored, np.float32)


def _dirichlet(t: NDArray[np.float64], period: int, harmonics: int) -> NDArray[np.float64]:
    """Interpolation kernel of ``period`` samples that keeps this many harmonics, half of the last if Nyquist's."""
    nyquist = 2 * harmonics == period
    angle = np.pi * t / period
    denominator = np.tan(angle) if nyquist else np.sin(angle)
    numerator = np.sin(np.pi * t) if nyquist else np.sin((2 * harmonics + 1) * angle)
    on_sample = np.abs(np.sin(angle)) < 1e-9
    peak = 1.0 if nyquist else (2 * harmonics + 1) / period
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(on_sample, peak, numerator / (period * denominator))
