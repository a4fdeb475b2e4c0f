# SPDX-License-Identifier: Apache-2.0
"""The right answer to each study of a measurement, against which every answer is checked."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.volumes import stretched_ct
from clients import Findings
from clients.study import Study
from preprocess.geometry import Volume

SCORE_WITHIN = 1e-3
"""Batches of other sizes add up in another order."""
BOX_WITHIN_MM = 0.05


@dataclass(frozen=True)
class Reference:
    """What any right answer to one study says."""

    findings: Findings

    def mistake(self, answer: Findings) -> str | None:
        """The first difference that matters, or None."""
        right = self.findings
        if answer.series_id != right.series_id:
            return "the answer is to another study"
        if answer.model.hash != right.model.hash:
            return "other weights answered"
        if len(answer.patches) != len(right.patches):
            return f"{len(answer.patches)} patches, not {len(right.patches)}"
        scores = [abs(a.score - b.score) for a, b in zip(answer.patches, right.patches, strict=True)]
        off = max(*scores, abs(answer.study_score - right.study_score))
        if off > SCORE_WITHIN:
            return f"a score is off by {off:.2g}, over {SCORE_WITHIN:g}"
        boxes = [np.subtract(a.box_mm, b.box_mm) for a, b in zip(answer.patches, right.patches, strict=True)]
        off_mm = float(np.abs(boxes).max())
        if off_mm > BOX_WITHIN_MM:
            return f"a box is off by {off_mm:.2g} mm, over {BOX_WITHIN_MM:g} mm"
        return None


def library(slices: int, different: int, height_mm: float | None = None) -> tuple[Study, ...]:
    """Studies of one size with different answers, so that mixed-up answers are seen: windows of one real CT.

    They share their memory. ``height_mm`` is that of each study, by default about that of LIDC-IDRI-0001.
    """
    extra = different - 1
    whole = stretched_ct(slices + extra, None if height_mm is None else height_mm * (slices + extra) / slices)
    volume = whole.volume
    studies = []
    for start in range(different):
        affine = volume.affine.copy()
        affine[:3, 3] += volume.affine[:3, 2] * start
        window = Volume(volume.hu[start : start + slices], volume.spacing_mm, affine)
        studies.append(replace(whole, volume=window, series_id=f"{whole.series_id}-{start}"))
    return tuple(studies)


def references(findings: Sequence[Findings]) -> tuple[Reference, ...]:
    """References from the answers of a server that has nothing else to do; they must tell the studies apart."""
    found = tuple(map(Reference, findings))
    for number, one in enumerate(found):
        for other in found[:number]:
            same = replace(other.findings, series_id=one.findings.series_id)
            if one.mistake(same) is None:
                raise ValueError("two studies of the library have the same answer: mixed-up answers would go unseen")
    return found
