# SPDX-License-Identifier: Apache-2.0
"""Arrivals at a hospital's server over hours, in shares of the highest rate that the server sustains.

The curves are drawn after how radiology departments describe their days; they are measured in none. Time can be
compressed: the shape stays, at the rates that the server is to see, and so the number of studies shrinks with the time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np


@dataclass(frozen=True)
class Size:
    """A study's size: slices of 512 × 512 pixels over a height."""

    slices: int
    height_mm: float

    @property
    def name(self) -> str:
        """Return the size as tables and locust's page show it."""
        return f"{self.slices} × {self.height_mm / self.slices:.3g} mm"


THICK, CHEST, THIN, WHOLE_BODY = Size(40, 200), Size(133, 332.5), Size(300, 300), Size(700, 700)
"""An abdomen of thick slices, a chest, a chest of thin slices, trauma from head to thigh."""


@dataclass(frozen=True)
class Profile:
    """Rates over hours, straight between the points given, and which studies come.

    points
        Hour and share of the highest rate, in order; the first is at 0, the last ends the profile.
    mix
        Share of each size among the studies.
    """

    meaning: str
    points: tuple[tuple[float, float], ...]
    mix: Mapping[Size, float]

    def __post_init__(self) -> None:
        hours = [hour for hour, _ in self.points]
        if hours[0] != 0 or any(a >= b for a, b in pairwise(hours)) or min(share for _, share in self.points) < 0:
            raise ValueError(f"points are {self.points}: hours must rise from 0, and shares not be negative")
        if abs(sum(self.mix.values()) - 1) > 1e-9:
            raise ValueError(f"the shares of mix add up to {sum(self.mix.values()):g}, not to 1")

    @property
    def hours(self) -> float:
        """Its length in hours."""
        return self.points[-1][0]

    @property
    def peak(self) -> float:
        """The largest share."""
        return max(share for _, share in self.points)

    def share(self, hour: float) -> float:
        """Return the rate at an hour, in shares of the highest; 0 outside the profile."""
        hours, shares = zip(*self.points, strict=True)
        return float(np.interp(hour, hours, shares, left=0.0, right=0.0))

    def mean_share(self) -> float:
        """Return the mean over the whole profile."""
        area = sum((b - a) * (x + y) / 2 for (a, x), (b, y) in pairwise(self.points))
        return area / self.hours


_USUAL = {THICK: 0.25, CHEST: 0.5, THIN: 0.25}

PROFILES: dict[str, Profile] = {
    "day": Profile(
        "24 hours: quiet nights, a morning peak, a lunch dip, a lower afternoon peak, an evening of emergencies",
        (
            (0, 0.12),
            (5, 0.08),
            (7, 0.3),
            (9, 0.75),
            (11, 0.8),
            (12.5, 0.55),
            (14, 0.7),
            (16, 0.6),
            (18, 0.3),
            (21, 0.22),
            (24, 0.12),
        ),
        _USUAL,
    ),
    "trauma": Profile(
        "2 hours with a mass accident: a usual load, then for a quarter of an hour more than the server sustains",
        ((0, 0.3), (0.5, 0.3), (0.55, 1.4), (0.8, 1.4), (0.85, 0.4), (2, 0.3)),
        {THICK: 0.15, CHEST: 0.45, THIN: 0.3, WHOLE_BODY: 0.1},
    ),
    "nightly": Profile(
        "12 hours from 18:00: the archive sends old studies from 22:00 to 04:00, close to what the server sustains",
        ((0, 0.3), (3.8, 0.2), (4, 0.9), (10, 0.9), (10.2, 0.1), (12, 0.2)),
        {THICK: 0.5, CHEST: 0.4, THIN: 0.1},
    ),
    "ramp": Profile(
        "1 hour from nothing to a fifth more than the server sustains: where does it begin to fall behind",
        ((0, 0.0), (1, 1.2)),
        {CHEST: 1.0},
    ),
}
