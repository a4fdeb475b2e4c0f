# SPDX-License-Identifier: Apache-2.0
"""From volume and centre line to patches, on one core: ours against resampling the whole volume with SciPy."""

import statistics
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from benchmarks.timing import machine, one_core, paired_ms, summary
from preprocess.centre_line import CentreLine
from preprocess.fourier import resampled_length
from preprocess.patches import extract


@dataclass(frozen=True)
class Shape:
    """Size of the volume; its content does not matter to the time."""

    slices: int = 300
    pixels: int = 512
    spacing_z_mm: float = 1.0
    pixel_mm: float = 0.75


def measure(shape: Shape, runs: int) -> dict[str, Any]:
    """Times of both ways, interleaved, and the ratio of each pair.

    SciPy gets the volume once as it is (int16, which it resamples in double precision) and once converted beforehand
    to the single precision that ours works in. Both stop at the resampled volume, which then would have to be
    cropped and tiled: a lower bound of what the literal pipeline costs.
    """
    hu, spacing, line = case(shape)
    whole = hu.astype(np.float32)
    n_out = resampled_length(shape.slices, shape.spacing_z_mm, shape.pixel_mm)
    with one_core():
        times = paired_ms(
            runs,
            ours=lambda: extract(hu, spacing, line),
            scipy=lambda: signal.resample(hu, n_out, axis=0),
            scipy_float32=lambda: signal.resample(whole, n_out, axis=0),
        )
    return {
        "volume": [shape.slices, shape.pixels, shape.pixels],
        "machine": {**machine(), "cores_used": 1},
        **{name: summary(runs_ms) for name, runs_ms in times.items()},
        "times_faster_than_scipy": _ratios(times["scipy"], times["ours"]),
        "times_faster_than_scipy_float32": _ratios(times["scipy_float32"], times["ours"]),
    }


def case(shape: Shape) -> tuple[NDArray[np.int16], tuple[float, float, float], CentreLine]:
    """A volume of noise, its spacing and a curved centre line: what `preprocess.patches.extract` takes."""
    hu = np.random.default_rng(0).integers(-1000, 1500, (shape.slices, shape.pixels, shape.pixels), np.int16)
    z = np.arange(shape.slices) * shape.spacing_z_mm
    middle = shape.pixels * shape.pixel_mm / 2
    line = CentreLine(0, np.stack([middle + 10 * np.sin(z / 90), middle + 60 + 25 * np.cos(z / 110), z], -1), ())
    return hu, (shape.spacing_z_mm, shape.pixel_mm, shape.pixel_mm), line


def _ratios(slow_ms: list[float], fast_ms: list[float]) -> dict[str, float]:
    ratios = [slow / fast for slow, fast in zip(slow_ms, fast_ms, strict=True)]
    return {
        "min": round(min(ratios), 1),
        "median": round(statistics.median(ratios), 1),
        "max": round(max(ratios), 1),
    }
