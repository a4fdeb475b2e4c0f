# SPDX-License-Identifier: Apache-2.0
"""Tell how far scores move, and how many decisions flip, when nothing about the patient changes."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from vcf_training.evaluation.cases import Case, Changed
from vcf_training.evaluation.changes import KINDS
from vcf_training.evaluation.intervals import proportion

SMALL = 0.10
"""A change of the score by no more than this is called small."""
WORST = 4
"""Pictures on the page."""


def of_changes(cases: Iterable[Case], threshold: float) -> dict[str, Any]:
    """Figures of all changes, of each kind, and of each study."""
    changed = [case for case in cases if case.changed]
    every = [one for case in changed for one in case.changed]
    return {
        "studies": len(changed),
        "small": SMALL,
        "all": row(every, threshold),
        "shown": row([one for one in every if one.shown], threshold),
        "kinds": [
            {"kind": kind, "what": what} | row([one for one in every if one.kind == kind], threshold)
            for kind, what in KINDS.items()
        ],
        "by_study": [
            {"study": case.name, "score": case.score, "worst": _worst(case.changed)} | row(case.changed, threshold)
            for case in changed
        ],
    }


def row(changed: Sequence[Changed], threshold: float) -> dict[str, Any]:
    """Number of changes; size of the score's change; share of decisions that flip, refusals among them."""
    sizes = np.array([abs(one.by) for one in changed if one.by is not None])
    flips = proportion(sum(one.flips(threshold) for one in changed), len(changed))
    return {
        "changes": len(changed),
        "refused": sum(one.score is None for one in changed),
        "median": float(np.median(sizes)) if len(sizes) else None,
        "p95": float(np.percentile(sizes, 95)) if len(sizes) else None,
        "largest": float(sizes.max()) if len(sizes) else None,
        "small": float((sizes <= SMALL).mean()) if len(sizes) else None,
        "flipped": flips.value if flips else None,
        "flipped_interval": flips.interval if flips else None,
    }


def worst(cases: Iterable[Case], count: int = WORST) -> list[tuple[Case, Changed]]:
    """The studies whose score changed most, and the change that did it."""
    found = [(case, one) for case in cases for one in case.changed if one.case is not None]
    return sorted(found, key=lambda pair: -abs(pair[1].by or 0.0))[:count]


def _worst(changed: Sequence[Changed]) -> Mapping[str, Any] | None:
    scored = [one for one in changed if one.by is not None]
    return max(scored, key=lambda one: abs(one.by or 0.0)).to_dict() if scored else None
