# SPDX-License-Identifier: Apache-2.0
"""Truth for a resampling: waves along z whose value between the slices a formula gives."""

from collections.abc import Sequence

import numpy as np

from vcf_benchmarks.preprocess.ways import OURS, Resample, Way, ours_resample, row_mm

FREQUENCIES = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45)
"""Periods a slice; from 0.5 on slices cannot tell waves apart (Nyquist)."""
SLICES, COLUMNS = 128, 12
SPACING_MM = (1.0, 0.75, 0.75)
AMPLITUDE_HU = 1000.0
MARGIN_SLICES = 16
"""Left out at both ends, where every way guesses."""


def errors(ways: Sequence[Way]) -> dict[str, dict[str, float]]:
    """Return the root mean square error over that of the wave, by way and frequency."""
    made = {OURS: ours_resample, **{way.name: way.resample for way in ways if not way.cropped or "spline" in way.name}}
    return {name: {f"{f:g}": round(error(resample, f), 5) for f in FREQUENCIES} for name, resample in made.items()}


def error(resample: Resample, frequency: float) -> float:
    """Return that of one frequency, over columns of different phase."""
    phase = np.linspace(0, 2 * np.pi, COLUMNS * COLUMNS, endpoint=False).reshape(COLUMNS, COLUMNS)
    slices = np.arange(SLICES)[:, None, None]
    hu = np.rint(AMPLITUDE_HU * np.cos(2 * np.pi * frequency * slices + phase)).astype(np.int16)
    found = np.asarray(resample(hu, SPACING_MM), np.float64)
    z = np.arange(len(found))[:, None, None] * row_mm(SLICES, SPACING_MM) / SPACING_MM[0]
    inside = (z[:, 0, 0] > MARGIN_SLICES) & (z[:, 0, 0] < SLICES - 1 - MARGIN_SLICES)
    truth = AMPLITUDE_HU * np.cos(2 * np.pi * frequency * z + phase)
    return float(np.sqrt(np.mean((found - truth)[inside] ** 2)) / (AMPLITUDE_HU / np.sqrt(2)))
