# SPDX-License-Identifier: Apache-2.0
"""A volume and a centre line to time the preparation with, and the goal of that time."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vcf_benchmarks.harness.result import Target
from vcf_benchmarks.harness.windows import medians, recent
from vcf_preprocess.centre_line import CentreLine

GOAL_MS = 50.0
"""The time from volume and centre line to patches, for 300 slices on one core."""


@dataclass(frozen=True)
class Shape:
    """Size of the volume; its content does not matter to the time."""

    slices: int = 300
    pixels: int = 512
    spacing_z_mm: float = 1.0
    pixel_mm: float = 0.75


def case(shape: Shape) -> tuple[NDArray[np.int16], tuple[float, float, float], CentreLine]:
    """Make a volume of noise, its spacing and a curved centre line: what `vcf_preprocess.patches.extract` takes."""
    hu = np.random.default_rng(0).integers(-1000, 1500, (shape.slices, shape.pixels, shape.pixels), np.int16)
    z = np.arange(shape.slices) * shape.spacing_z_mm
    middle = shape.pixels * shape.pixel_mm / 2
    line = CentreLine(0, np.stack([middle + 10 * np.sin(z / 90), middle + 60 + 25 * np.cos(z / 110), z], -1), ())
    return hu, (shape.spacing_z_mm, shape.pixel_mm, shape.pixel_mm), line


def target(name: str, times_ms: Sequence[float], rounds: int) -> Target:
    """Return the time and its goal, for the times of all windows, of so many rounds each."""
    value = statistics.median(recent(times_ms, rounds))
    return Target(name, value, GOAL_MS, windows=tuple(medians(times_ms, rounds)))
