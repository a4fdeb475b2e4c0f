# SPDX-License-Identifier: Apache-2.0
"""Vertebra by vertebra: which graded ones lie in a box that reaches the threshold, and which in the highest box."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from vcf_training.evaluation.cases import Case
from vcf_training.evaluation.froc import mark
from vcf_training.evaluation.intervals import proportion

GRADES = (3, 2, 1)


def per_vertebra(cases: Iterable[Case], threshold: float) -> dict[str, Any]:
    """Each graded vertebra, hits by grade, and boxes that were called and show no fracture.

    A fractured vertebra is hit if its centre lies in a box whose patch score reaches the threshold.
    """
    graded = [case for case in cases if case.vertebrae and case.score is not None]
    rows = [row for case in graded for row in _rows(case, threshold)]
    marked = [mark(case.patch_scores, case.boxes_mm, case.fractures) for case in graded]
    return {
        "vertebrae": rows,
        "hits": {str(grade): _hits([row for row in rows if row["grade"] == grade]) for grade in GRADES},
        "studies": len(graded),
        "false_boxes": int(sum((one.false >= threshold).sum() for one in marked)),
    }


def _hits(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    share = proportion(sum(row["hit"] for row in rows), len(rows))
    return {
        "vertebrae": len(rows),
        "hit": sum(row["hit"] for row in rows),
        "in_highest": sum(row["in_highest"] for row in rows),
        "share": asdict(share) if share else None,
    }


def _rows(case: Case, threshold: float) -> list[dict[str, Any]]:
    """List them from head to feet; a score of None for a vertebra that no box shows."""
    found = []
    for v in sorted(case.vertebrae, key=lambda v: -v.centre_mm[2]):
        inside = np.all((case.boxes_mm[:, :3] <= v.centre_mm) & (case.boxes_mm[:, 3:] >= v.centre_mm), axis=1)
        score = float(case.patch_scores[inside].max()) if inside.any() else None
        found.append(
            {
                "study": case.name,
                "level": v.level,
                "grade": v.grade,
                "score": score,
                "hit": score is not None and score >= threshold,
                "in_highest": bool(inside[int(np.argmax(case.patch_scores))]),
            }
        )
    return found
