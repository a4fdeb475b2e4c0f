# SPDX-License-Identifier: Apache-2.0
"""The whole pipeline, from the volume to the study score, on phantoms of no training. All figures are synthetic."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from training.dataset import TEST_SEEDS
from training.metrics import rates, roc_auc
from training.phantom import HELD_OUT_RANGES, TRAINING_RANGES, Phantom, Ranges, render, sample
from training.reference import Analysis, analyze
from training.store import Networks
from vcf.errors import StudyRefused

SETS: dict[str, tuple[int, Ranges]] = {
    "phantom-test": (TEST_SEEDS, HELD_OUT_RANGES),
    "phantom-unseen": (700_000, TRAINING_RANGES),
}
"""First seed and ranges. ``phantom-test`` are patients of another kind than those of training, ``phantom-unseen`` other
patients of the same kind."""
PIXEL_MM = 1.0
"""In-plane: the scan's own 512 × 512 pixels take three times as long to render and change no patch visibly."""


@dataclass(frozen=True)
class Result:
    """One study. ``grade`` is its highest Genant grade; ``refused`` a code, and then there is no score.

    centre_error_mm: median and 95th percentile of the distance between the found and the true centre line.
    """

    seed: int
    grade: int
    kind: str
    slice_mm: float
    score: float | None = None
    refused: str | None = None
    centre_error_mm: tuple[float, float] | None = None


def phantoms(count: int, data: str = "phantom-test") -> Iterator[Phantom]:
    """Whole bodies of one of the `SETS`."""
    first_seed, ranges = SETS[data]
    for seed in range(first_seed, first_seed + count):
        spec = sample(seed, ranges=ranges)
        yield render(spec, spacing_mm=(spec.acquisition.spacing_mm[0], PIXEL_MM, PIXEL_MM))


def evaluate_phantom(phantom: Phantom, networks: Networks) -> Result:
    """Analyse one phantom."""
    known = Result(
        phantom.spec.seed,
        max((v.grade for v in phantom.vertebrae), default=0),
        phantom.spec.kind,
        phantom.volume.spacing_mm[0],
    )
    try:
        analysis = analyze(phantom.volume.hu, phantom.volume.spacing_mm, networks)
    except StudyRefused as refusal:
        return replace(known, refused=str(refusal.code))
    return replace(known, score=analysis.study_score, centre_error_mm=_centre_error_mm(phantom, analysis))


def evaluate(
    count: int,
    networks: Networks,
    threshold: float,
    done: Callable[[int, int], None] = lambda *_: None,
    data: str = "phantom-test",
) -> dict[str, Any]:
    """Study ROC AUC, rates at the threshold and the share of refused studies; with every single result."""
    results = []
    for phantom in phantoms(count, data):
        results.append(evaluate_phantom(phantom, networks))
        done(len(results), count)
    return {"data": data, "synthetic": True} | summary(results, threshold) | {"results": [asdict(r) for r in results]}


def summary(results: list[Result], threshold: float) -> dict[str, Any]:
    """Figures over the studies that were analysed, and how many were not."""
    scored = [r for r in results if r.score is not None]
    grade, score = np.array([r.grade for r in scored]), np.array([r.score for r in scored])
    figures: dict[str, Any] = {
        "studies": len(results),
        "refused": len(results) - len(scored),
        "fractured": int((grade > 0).sum()),
        "threshold": threshold,
    }
    subsets = {"auc": grade >= 0, "auc_grade_2_3": grade != 1, "auc_grade_1": grade <= 1}
    for name, kept in subsets.items():
        both = 0 < (grade[kept] > 0).sum() < kept.sum()
        figures[name] = roc_auc(grade[kept] > 0, score[kept]) if both else None
    if 0 < (grade > 0).sum() < len(grade):
        figures["sensitivity"], figures["specificity"] = rates(grade > 0, score, threshold)
    errors = [r.centre_error_mm for r in scored if r.centre_error_mm is not None]
    if errors:
        figures["centre_line_median_mm"] = float(np.median([e[0] for e in errors]))
        figures["centre_line_p95_mm"] = float(np.percentile([e[1] for e in errors], 95))
    return figures


def _centre_error_mm(phantom: Phantom, analysis: Analysis) -> tuple[float, float]:
    line = analysis.spine.centre_line_mm
    rows = np.rint(line[:, 2] / phantom.volume.spacing_mm[0]).astype(int)
    error = np.linalg.norm(line[:, :2] - phantom.centre_line_mm[rows], axis=1)
    return float(np.median(error)), float(np.percentile(error, 95))
