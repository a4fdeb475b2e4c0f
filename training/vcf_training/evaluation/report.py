# SPDX-License-Identifier: Apache-2.0
"""The report of an evaluation: one HTML page that needs no other file."""

import base64
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from vcf_training.evaluation import gallery, plots, robustness
from vcf_training.evaluation.baseline import METHODS
from vcf_training.evaluation.calibration import calibration
from vcf_training.evaluation.cases import Case
from vcf_training.evaluation.figures import PAPER_TABLE_1, labels_and_scores
from vcf_training.evaluation.intervals import LEVEL

PAGE_NAME = "evaluation.html"
SYNTHETIC_NOTICE = "Synthetic fracture data: no patient's diagnosis."
NOTICE = "Weights trained on synthetic fractures; not for clinical use."
DASH = "–"


def write_report(document: dict[str, Any], cases: Sequence[Case], folder: Path) -> Path:
    """Write the page into a folder, which is made if need be; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / PAGE_NAME
    path.write_text(render(document, cases), "utf-8")
    return path


def render(document: dict[str, Any], cases: Sequence[Case]) -> str:
    """The page as HTML text."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"figure": figure, "estimate": estimate, "percent": percent, "jpeg": _as_source}
    template = environment.from_string(files("vcf_training.evaluation").joinpath("report.html").read_text("utf-8"))
    threshold = float(document["threshold"])
    notice = SYNTHETIC_NOTICE if document["synthetic"] else NOTICE
    return template.render(
        d=document,
        notice=notice,
        level=round(100 * LEVEL),
        plots=_plots(document, cases),
        paper=PAPER_TABLE_1,
        kinds=gallery.KINDS,
        gallery={
            kind: [(case, gallery.picture(case, threshold, notice)) for case in chosen]
            for kind, chosen in gallery.choose(cases, threshold).items()
        }
        if document["data"] != "real"
        else {},
        listed=[_listed(case, threshold, notice) for case in cases] if document["data"] == "real" else [],
        refused=[case for case in cases if case.refused],
        moved=[
            (case, gallery.picture(case, threshold, notice), one, gallery.picture(one.case, threshold, notice))
            for case, one in robustness.worst(cases)
            if case.picture and one.case
        ],
    )


def _plots(document: dict[str, Any], cases: Sequence[Case]) -> dict[str, Markup]:
    scored = [case for case in cases if case.usable]
    drawn: dict[str, str] = {}
    y, s = labels_and_scores(scored)
    if document["study_auc"] is not None:
        lines: list[plots.Line] = [(f"networks, {document['study_auc']:.3f}", y, s)]
        for method, title in zip(METHODS, ("labels", "between voxels", "exact heights"), strict=True):
            if method in document["height_baselines"]:
                kept = [case for case in scored if case.height_loss.get(method) is not None]
                area = document["height_baselines"][method]["auc"]["value"]
                labels, _ = labels_and_scores(kept)
                loss = np.array([case.height_loss[method] for case in kept], float)
                lines.append((f"height: {title}, {area:.3f}", labels, loss))
        point = (1 - document["specificity"], document["sensitivity"])
        drawn["roc"] = plots.roc(lines, (y, s, [case.group for case in scored]), point)
    if document["froc"]:
        drawn["froc"] = plots.froc(document["froc"]["curve"], document["froc"]["at_rates"])
    if document["study_auc"] is not None:
        drawn["reliability"] = plots.reliability(calibration(y, s))
    return {name: Markup(svg) for name, svg in drawn.items()}


def _listed(case: Case, threshold: float, notice: str) -> dict[str, Any]:
    """A real CT as the page lists it, with the reason for its score where it was called."""
    entry: dict[str, Any] = {"case": case, "called": case.score is not None and case.score >= threshold}
    entry["picture"] = gallery.picture(case, threshold, notice) if case.picture else None
    entry["patch"] = None
    if explained := case.explanation:
        part = np.unravel_index(int(np.argmax(explained.drop)), explained.drop.shape)
        entry["patch"] = {
            "number": explained.patch + 1,
            "of": len(case.patch_scores),
            "levels": ", ".join(explained.levels) or "none is labelled",
            "members": explained.members,
            "fall": float(explained.drop.max()),
            "rows": ("uppermost", "upper", "lower", "lowermost")[int(part[0])],
            "columns": ("foremost", "front", "back", "hindmost")[int(part[1])],
            "picture": gallery.patch_picture(explained),
        }
    return entry


def figure(value: float | None, decimals: int = 3) -> str:
    """A figure as it reads; a dash for none."""
    return DASH if value is None or not np.isfinite(value) else f"{value:.{decimals}f}"


def estimate(pair: "dict[str, float] | None") -> str:
    """A figure with its interval."""
    if pair is None or not np.isfinite(pair["value"]):
        return DASH
    return f"{figure(pair['value'])} ({figure(pair['low'])}–{figure(pair['high'])})"


def percent(value: float | None) -> str:
    """A share in per cent."""
    return DASH if value is None else f"{100 * value:.1f} %"


def _as_source(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"
