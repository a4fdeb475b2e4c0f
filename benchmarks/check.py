# SPDX-License-Identifier: Apache-2.0
"""Answers of one benchmark to one study, whose scores must be the same each time."""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clients import Findings

SCORE_WITHIN = 1e-4
"""Largest difference between two scores that are the same: between answers, or between ways to get them."""


class Check:
    """Counts answers whose scores are not the expected ones. May be used by threads."""

    def __init__(self, expected: Iterable[float]) -> None:
        self._expected = [float(score) for score in expected]
        self._differences: list[float] = []

    def scores(self, found: Iterable[float]) -> None:
        """One answer's patch scores, head to feet."""
        scores = [float(score) for score in found]
        if len(scores) != len(self._expected):
            self._differences.append(math.inf)
        else:
            self._differences.append(max(abs(a - b) for a, b in zip(scores, self._expected, strict=True)))

    def findings(self, found: "Findings") -> None:
        """One served answer."""
        self.scores([patch.score for patch in found.patches])

    @property
    def answers(self) -> int:
        """How many were looked at."""
        return len(self._differences)

    @property
    def mistaken(self) -> int:
        """How many were further off than `SCORE_WITHIN`."""
        return sum(off > SCORE_WITHIN for off in self._differences)

    @property
    def largest(self) -> float:
        """Largest difference of any score."""
        return max(self._differences, default=0.0)
