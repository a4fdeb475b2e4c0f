# SPDX-License-Identifier: Apache-2.0
"""Tell what the scanner does to the patient: in-plane blur, edge enhancement of the kernel, correlated noise."""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

from vcf_training.phantom.grid import Floats, Grid
from vcf_training.phantom.spec import Acquisition
from vcf_training.phantom.spine import Spine

_FWHM = 2.3548
_STREAK_PX = 9.0
CT_RANGE_HU = (-1024, 3071)


def _gaussian(sigma_px: float, radius_px: int) -> NDArray[np.float64]:
    at = np.arange(-radius_px, radius_px + 1)
    kernel = np.exp(-0.5 * (at / max(sigma_px, 1e-3)) ** 2)
    return np.asarray(kernel / kernel.sum())


def _sharp(sigma_px: float, wide_px: float, gain: float) -> NDArray[np.float64]:
    """A narrow Gaussian less ``gain`` of a wide one, with unit sum: what edge enhancement does along one axis."""
    radius = int(np.ceil(3 * (wide_px if gain else sigma_px))) or 1
    return np.asarray((1 + gain) * _gaussian(sigma_px, radius) - gain * _gaussian(wide_px, radius))


def _in_plane(hu: Floats, kernel: NDArray[np.float64]) -> Floats:
    along: Floats = correlate1d(hu, kernel, axis=2, mode="nearest")
    across: Floats = correlate1d(along, kernel, axis=1, mode="nearest")
    return across


def scan(hu: Floats, grid: Grid, acquisition: Acquisition, spine: Spine, rng: Generator) -> NDArray[np.int16]:
    """Blur and noise a rendered block; its noise is drawn from ``rng`` slice by slice, from the first on."""
    blur_px = acquisition.blur_fwhm_mm / _FWHM / grid.pixel_mm
    if blur_px > 0.05 or acquisition.overshoot > 0:
        wide_px = float(np.hypot(blur_px, 1.1 / grid.pixel_mm))
        hu = _in_plane(hu, _sharp(blur_px, wide_px, 0.5 * acquisition.overshoot))
    if acquisition.noise_hu > 0:
        hu = hu + _noise(grid, acquisition, spine, rng)
    return np.asarray(np.clip(np.rint(hu), *CT_RANGE_HU), np.int16)


def _noise(grid: Grid, acquisition: Acquisition, spine: Spine, rng: Generator) -> Floats:
    grain_px = max(0.55 * acquisition.noise_grain_mm / grid.pixel_mm, 0.3)
    # Filtered back projection leaves no slow noise: take some of the wide Gaussian away.
    kernel = _gaussian(grain_px, radius := int(np.ceil(5 * grain_px))) - 0.35 * _gaussian(2.2 * grain_px, radius)
    kernel /= np.sqrt((kernel**2).sum())  # unit white noise stays of unit deviation
    white = rng.standard_normal(grid.shape, np.float32)
    noise = _in_plane(white, kernel)
    # Shoulders and hips attenuate from side to side: more noise, drawn out left to right.
    level = spine.level_at(grid.z.astype(float))
    broad = np.interp(level, (-3, -1, 1, 3, 15, 18), (0.0, 0.9, 0.9, 0.0, 0.0, 0.5)).astype(np.float32)
    if broad.any():
        streak = _gaussian(_STREAK_PX, int(2.5 * _STREAK_PX))
        streak /= np.sqrt((streak**2).sum())
        noise += 0.8 * broad[:, None, None] * correlate1d(white, streak, axis=2, mode="nearest")
    noise *= np.float32(acquisition.noise_hu)
    return noise
