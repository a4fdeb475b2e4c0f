# SPDX-License-Identifier: Apache-2.0
"""Right answers, and whether what was answered agrees with them."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vcf_client import Findings

SAME_WITHIN = 1e-4
"""Largest difference between two scores that are the same: between answers, or between ways to get them."""
BATCHED_WITHIN = 1e-3
"""The same under load: batches of other sizes add up in another order."""
BOX_WITHIN_MM = 0.05


def scores_of(findings: Findings) -> list[float]:
    """Return the patch scores of findings, head to feet."""
    return [patch.score for patch in findings.patches]


def difference(some: Iterable[float], others: Iterable[float]) -> float:
    """Return the largest difference of two rows of scores; infinite if one is longer."""
    pair = [[float(score) for score in scores] for scores in (some, others)]
    if len(pair[0]) != len(pair[1]):
        return math.inf
    return max((abs(a - b) for a, b in zip(*pair, strict=True)), default=0.0)


class Check:
    """Counts answers to one study whose scores are not the expected ones. May be used by threads."""

    def __init__(self, expected: Iterable[float], within: float = SAME_WITHIN) -> None:
        self._expected, self._within = [float(score) for score in expected], within
        self._differences: list[float] = []

    def scores(self, found: Iterable[float]) -> None:
        """Look at one answer's patch scores, head to feet."""
        self._differences.append(difference(found, self._expected))

    def findings(self, found: Findings) -> None:
        """Look at one served answer."""
        self.scores(scores_of(found))

    @property
    def answers(self) -> int:
        """The number of answers looked at."""
        return len(self._differences)

    @property
    def mistaken(self) -> int:
        """The number of answers further off than is allowed."""
        return sum(off > self._within for off in self._differences)

    @property
    def largest(self) -> float:
        """Largest difference of any score."""
        return max(self._differences, default=0.0)


@dataclass(frozen=True)
class Reference:
    """The answer to one study that any right one agrees with."""

    findings: Findings

    def mistake(self, answer: Findings) -> str | None:
        """Return the first difference that matters, or None."""
        right = self.findings
        if answer.series_id != right.series_id:
            return "the answer is to another study"
        if answer.model.hash != right.model.hash:
            return "other weights answered"
        if len(answer.patches) != len(right.patches):
            return f"{len(answer.patches)} patches, not {len(right.patches)}"
        off = difference([*scores_of(answer), answer.study_score], [*scores_of(right), right.study_score])
        if off > BATCHED_WITHIN:
            return f"a score is off by {off:.2g}, over {BATCHED_WITHIN:g}"
        boxes = [np.subtract(a.box_mm, b.box_mm) for a, b in zip(answer.patches, right.patches, strict=True)]
        off_mm = float(np.abs(boxes).max())
        if off_mm > BOX_WITHIN_MM:
            return f"a box is off by {off_mm:.2g} mm, over {BOX_WITHIN_MM:g} mm"
        return None


def references(findings: Sequence[Findings]) -> tuple[Reference, ...]:
    """Return references from the answers of a server that has nothing else to do.

    Raises
    ------
    ValueError
        If two of them cannot be told apart: mixed-up answers would go unseen.
    """
    found = tuple(map(Reference, findings))
    for number, one in enumerate(found):
        for other in found[:number]:
            same = replace(other.findings, series_id=one.findings.series_id)
            if one.mistake(same) is None:
                raise ValueError("two studies of the library have the same answer: mixed-up answers would go unseen")
    return found
