# SPDX-License-Identifier: Apache-2.0
"""Cases become figures: everything that the JSON holds and the report shows."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcf_training.evaluation import froc as boxes
from vcf_training.evaluation.baseline import EXACT, LABELS, METHODS
from vcf_training.evaluation.calibration import calibration, predictive_values
from vcf_training.evaluation.cases import Case
from vcf_training.evaluation.intervals import Estimate, auc, auc_difference, bootstrap_auc, proportion

SUBSETS = {"any fracture": (1, 2, 3), "grade 2 and 3": (2, 3), "grade 1 alone": (1,)}
"""Grades of the fractured studies that are set against all studies without a fracture."""
SLICE_BINS_MM = (0.0, 2.0, 3.0, 5.0)
NOISE_BINS_HU = (0.0, 10.0, 20.0, 30.0, float("inf"))
ESTIMATES_MIN = 2
"""Studies of each class without which there is no interval."""

PAPER_TABLE_1 = (
    ("Bar et al., paper's reference 19", None, 0.839, 0.938, 3701, "2D"),
    ("Tomita et al., reference 20", 0.92, 0.88, 0.71, 1432, "2D"),
    ("Valentinitsch et al., reference 13", 0.88, 0.80, 0.74, 154, "3D"),
    ("Nicolaes et al., reference 23", 0.95, 0.905, 0.938, 90, "3D"),
    ("the paper", 0.955, 0.822, 0.951, 2489, "3D"),
)
"""Chettrit et al., Table 1: method, AUC, sensitivity, specificity, cases, model type. Each line is another test set."""


def figures(cases: Sequence[Case], points: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Figures of all cases.

    Parameters
    ----------
    points
        Operating points that were fixed on tuning data, the served one first; each with a ``threshold``.
    """
    served = float(next(iter(points.values()))["threshold"])
    scored = [case for case in cases if case.usable]
    refused = [case for case in cases if case.refused]
    found: dict[str, Any] = {
        "studies": len(cases),
        "fractured": sum(case.fractured is True for case in scored),
        "without_label": sum(case.fractured is None for case in cases),
        "refused": len(refused),
        "not_processed": len(refused) / len(cases) if cases else None,
        "not_processed_interval": _interval(proportion(len(refused), len(cases))),
        "refusals": dict(Counter(case.refused for case in refused)),
        "threshold": served,
    }
    found |= _areas(scored)
    found["operating_points"] = [_at_point(name, point, cases) for name, point in points.items()]
    first = found["operating_points"][0]
    for name in ("sensitivity", "specificity"):
        found[name], found[f"{name}_interval"] = _split(first["subsets"]["any fracture"][name])
    found |= _baseline(scored)
    found["froc"] = _froc(scored, served)
    found["calibration"] = _calibration(scored)
    found["predictive_values"] = _predictive(first)
    found["subgroups"] = _subgroups(scored, served)
    return found | _centre_line(scored)


def labels_and_scores(cases: Iterable[Case]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Give scores and labels of the cases that have both."""
    kept = list(cases)
    return np.array([case.fractured is True for case in kept], bool), np.array([case.score for case in kept], float)


def subset(cases: Iterable[Case], grades: Sequence[int]) -> list[Case]:
    """Studies without a fracture, and fractured ones of these grades; of any grade, also of an unknown one."""
    every = tuple(grades) == SUBSETS["any fracture"]
    return [c for c in cases if c.fractured is False or (c.fractured and (every or c.grade in grades))]


def _area(cases: Sequence[Case]) -> Estimate | None:
    y, s = labels_and_scores(cases)
    return auc(y, s) if min(y.sum(), (~y).sum()) >= ESTIMATES_MIN else None


def _areas(scored: Sequence[Case]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    names = dict(zip(SUBSETS, ("study_auc", "auc_grade_2_3", "auc_grade_1"), strict=True))
    for name, grades in SUBSETS.items():
        found[names[name]], found[f"{names[name]}_interval"] = _split(_pair(_area(subset(scored, grades))))
    y, s = labels_and_scores(scored)
    both = found["study_auc"] is not None
    found["study_auc_bootstrap_interval"] = bootstrap_auc(y, s, [c.group for c in scored]) if both else None
    return found


def _at_point(name: str, point: Mapping[str, Any], cases: Sequence[Case]) -> dict[str, Any]:
    threshold = float(point["threshold"])
    entry: dict[str, Any] = {"name": name, "threshold": threshold, "rule": point.get("rule", ""), "subsets": {}}
    for title, grades in SUBSETS.items():
        kept = subset([c for c in cases if c.usable], grades)
        y, s = labels_and_scores(kept)
        called = s >= threshold
        positives, negatives = int(y.sum()), int((~y).sum())
        hits, spared = int(called[y].sum()), int((~called[~y]).sum())
        entry["subsets"][title] = {
            "sensitivity": _pair(proportion(hits, positives)),
            "sensitivity_exact": _pair(proportion(hits, positives, "exact")),
            "specificity": _pair(proportion(spared, negatives)),
            "specificity_exact": _pair(proportion(spared, negatives, "exact")),
            "fractured": positives,
            "found": hits,
            "without": negatives,
            "spared": spared,
        }
    every = [c for c in cases if c.fractured]
    reached = sum(c.score is not None and c.score >= threshold for c in every)
    entry["sensitivity_with_refused_as_missed"] = _pair(proportion(reached, len(every)))
    return entry


def _baseline(scored: Sequence[Case]) -> dict[str, Any]:
    found: dict[str, Any] = {"height_baseline_auc": None, "height_baseline_auc_interval": None, "height_baselines": {}}
    for method in METHODS:
        kept = [c for c in scored if c.height_loss.get(method) is not None]
        y, s = labels_and_scores(kept)
        if min(y.sum(), (~y).sum()) < ESTIMATES_MIN:
            continue
        loss = np.array([c.height_loss[method] for c in kept], float)
        difference = auc_difference(y, s, loss)
        found["height_baselines"][method] = {
            "what": METHODS[method],
            "studies": len(kept),
            "auc": _pair(auc(y, loss)),
            "networks_auc_on_the_same": _pair(auc(y, s)),
            "networks_less_baseline": _pair(difference.estimate),
            "p_value": difference.p_value,
        }
    for method in (LABELS, EXACT):  # where nothing could be measured, the exact heights stand in, and are named so
        if method in found["height_baselines"]:
            chosen = found["height_baselines"][method]["auc"]
            found["height_baseline_auc"], found["height_baseline_auc_interval"] = _split(chosen)
            found["height_baseline_method"] = method
            break
    return found


def _froc(scored: Sequence[Case], threshold: float) -> dict[str, Any] | None:
    placed = [c for c in scored if not c.fractured or c.fractures]
    marked = [boxes.mark(c.patch_scores, c.boxes_mm, c.fractures) for c in placed]
    if not any(len(m.found) for m in marked):
        return None
    curve = boxes.froc(marked)
    groups = [c.group for c in placed]
    hits, fractures, wrong = boxes.at_threshold(marked, threshold)
    return {
        "studies": len(placed),
        "fractures": fractures,
        "outside_every_box": int(sum(np.isneginf(m.found).sum() for m in marked)),
        "at_rates": [
            {
                "false_boxes_per_scan": rate,
                "sensitivity": curve.at(rate),
                "interval": boxes.sensitivity_interval(marked, groups, rate),
            }
            for rate in boxes.RATES
        ],
        "at_operating_point": {
            "sensitivity": _pair(proportion(hits, fractures)),
            "false_boxes_per_scan": wrong / len(placed),
        },
        "curve": {
            "false_boxes_per_scan": np.round(curve.false_per_scan, 4).tolist(),
            "sensitivity": np.round(curve.sensitivity, 4).tolist(),
        },
    }


def _calibration(scored: Sequence[Case]) -> dict[str, Any] | None:
    return asdict(calibration(*labels_and_scores(scored))) if scored else None


def _predictive(point: Mapping[str, Any]) -> list[dict[str, Any]]:
    rates = point["subsets"]["any fracture"]
    if rates["sensitivity"] is None or rates["specificity"] is None:
        return []
    sensitivity, specificity = (Estimate(**rates[name]) for name in ("sensitivity", "specificity"))
    return [
        {"prevalence": share, "ppv": _pair(ppv), "npv": _pair(npv)}
        for share, ppv, npv in predictive_values(sensitivity, specificity)
    ]


def _subgroups(scored: Sequence[Case], threshold: float) -> list[dict[str, Any]]:
    groups: list[tuple[str, str, list[Case]]] = []
    for trait, edges, unit in (("slice_mm", SLICE_BINS_MM, "mm"), ("noise_hu", NOISE_BINS_HU, "HU")):
        title = {"slice_mm": "slice spacing", "noise_hu": "noise"}[trait]
        for low, high in pairwise(edges):
            inside = [c for c in scored if low < float(c.traits.get(trait, "nan")) <= high]
            name = f"{low:g}–{high:g} {unit}" if np.isfinite(high) else f"over {low:g} {unit}"
            groups.append((title, name, inside))
    words = sorted({trait for c in scored for trait, value in c.traits.items() if isinstance(value, str)})
    for trait in words:
        values = sorted({str(c.traits[trait]) for c in scored if trait in c.traits})
        groups += [(trait, value, [c for c in scored if c.traits.get(trait) == value]) for value in values]
    found = []
    for title, name, inside in groups:
        if not inside:
            continue
        y, s = labels_and_scores(inside)
        called = s >= threshold
        found.append(
            {
                "trait": title,
                "group": name,
                "studies": len(inside),
                "fractured": int(y.sum()),
                "auc": _pair(_area(inside)),
                "sensitivity": _pair(proportion(int(called[y].sum()), int(y.sum()))),
                "specificity": _pair(proportion(int((~called[~y]).sum()), int((~y).sum()))),
            }
        )
    return found


def _centre_line(scored: Sequence[Case]) -> dict[str, Any]:
    errors = [c.centre_error_mm for c in scored if c.centre_error_mm is not None]
    if not errors:
        return {}
    return {
        "centre_line_median_mm": float(np.median([e[0] for e in errors])),
        "centre_line_p95_mm": float(np.percentile([e[1] for e in errors], 95)),
    }


def _pair(estimate: Estimate | None) -> dict[str, float] | None:
    return asdict(estimate) if estimate else None


def _interval(estimate: Estimate | None) -> list[float] | None:
    return estimate.interval if estimate else None


def _split(pair: Mapping[str, float] | None) -> tuple[float | None, list[float] | None]:
    return (pair["value"], [pair["low"], pair["high"]]) if pair else (None, None)
