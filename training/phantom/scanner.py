# SPDX-License-Identifier: Apache-2.0
"""What the scanner does to the patient: in-plane blur, edge enhancement of the kernel, correlated noise."""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from training.phantom.grid import Floats, Grid
from training.phantom.spec import Acquisition
from training.phantom.spine import Spine

_FWHM = 2.3548
CT_RANGE_HU = (-1024, 3071)


def _blur(hu: Floats, sigma_px: float) -> Floats:
    if sigma_px < 0.05:
        return hu
    along: Floats = gaussian_filter1d(hu, sigma_px, axis=1, truncate=3, mode="nearest")
    across: Floats = gaussian_filter1d(along, sigma_px, axis=2, truncate=3, mode="nearest")
    return across


def scan(hu: Floats, grid: Grid, acquisition: Acquisition, spine: Spine, rng: Generator) -> NDArray[np.int16]:
    """Blur and noise a rendered block; its noise is drawn from ``rng`` slice by slice.

    Blur is the wider of the scan's and what the pixel size itself already does: a coarser grid is not blurred twice.
    """
    blur_px = acquisition.blur_fwhm_mm / _FWHM / grid.pixel_mm
    out = _blur(hu, blur_px)
    if acquisition.overshoot > 0:
        wide = _blur(out, 1.1 / grid.pixel_mm)
        out = out + np.float32(acquisition.overshoot) * (out - wide)
    if acquisition.noise_hu > 0:
        out += _noise(grid, acquisition, spine, rng)
    np.rint(out, out=out)
    return np.asarray(np.clip(out, *CT_RANGE_HU), np.int16)


def _noise(grid: Grid, acquisition: Acquisition, spine: Spine, rng: Generator) -> Floats:
    grain_px = max(acquisition.noise_grain_mm / grid.pixel_mm * 0.55, 0.3)
    white = rng.standard_normal(grid.shape, np.float32)
    noise = _blur(white, grain_px)
    noise -= 0.6 * _blur(noise, 2.2 * grain_px)  # reconstruction leaves no slow noise
    gain = _unit_gain(grain_px)
    # Shoulders and hips attenuate from side to side: more noise, drawn out left to right.
    level = spine.level_at(grid.z.astype(float))
    broad = np.interp(level, (-3, -1, 1, 3, 15, 18), (0.0, 0.9, 0.9, 0.0, 0.0, 0.5)).astype(np.float32)
    if broad.any():
        streak: Floats = gaussian_filter1d(white, 9.0, axis=2, truncate=2.5) * np.float32(
            (2 * np.sqrt(np.pi) * 9.0) ** 0.5
        )
        noise += streak * (0.8 * broad / gain)[:, None, None]
    return noise * np.float32(gain * acquisition.noise_hu)


def _unit_gain(sigma_px: float) -> float:
    """One over the standard deviation that the noise filter leaves of unit white noise."""
    probe = np.zeros((65, 65), np.float32)
    probe[32, 32] = 1
    kernel = _blur(probe[None], sigma_px)
    kernel = kernel - 0.6 * _blur(kernel, 2.2 * sigma_px)
    return float(1 / np.sqrt((kernel.astype(float) ** 2).sum()))
