# SPDX-License-Identifier: Apache-2.0
"""The whole pipeline on one study, in this process: what the server would answer, beside what is known."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from vcf_client.findings import Midsagittal
from vcf_contract.errors import Code, StudyRefused
from vcf_preprocess.admission import check
from vcf_preprocess.geometry import Volume
from vcf_preprocess.slices import pick
from vcf_training.evaluation.baseline import height_loss
from vcf_training.evaluation.cases import Case, Changed, Picture, Study, levels_in
from vcf_training.evaluation.changes import changes
from vcf_training.evaluation.explain import explain
from vcf_training.reference import Analysis, analyze
from vcf_training.store import Networks

_SAME_MM = 1.0
"""Ends of the covered spine move by less than that with noise or another field of view."""


def examine(study: Study, networks: Networks, *, explain_from: float | None = None, change: bool = False) -> Case:
    """Run the whole pipeline on a study.

    Parameters
    ----------
    explain_from
        Scores that reach it are explained, see ``vcf_training.evaluation.explain``.
    change
        Run it on every change of the study, too, see ``vcf_training.evaluation.changes``.
    """
    volume = study.volume
    known = Case(
        study.name,
        study.group or study.name,
        study.fractured,
        study.grade,
        tuple(v for v in study.vertebrae if v.grade),
        study.traits,
        {method: height_loss(heights) for method, heights in study.heights.items()},
        study.remark,
        study.synthetic,
        flags=study.reader_flags,
        vertebrae=study.vertebrae,
    )
    try:
        if volume is None:
            raise study.refusal or StudyRefused(Code.BAD_INPUT, "the study has no volume")
        known = replace(
            known, traits={"slice_mm": round(volume.spacing_mm[0], 2), "noise_hu": noise_hu(volume), **study.traits}
        )
        analysis = _analyzed(volume, networks)
    except StudyRefused as refusal:
        return replace(known, refused=str(refusal.code), reason=refusal.sentence)
    spine = analysis.spine
    found = replace(
        _answered(known, analysis),
        flags=(*study.reader_flags, *map(str, spine.flags)),
        levels_found=_levels_found(study, analysis),
        centre_error_mm=_centre_error_mm(study, analysis),
    )
    if explain_from is not None and analysis.study_score >= explain_from:
        found = replace(found, explanation=explain(analysis, networks, study))
    if change:
        found = replace(found, changed=_changed(study, found, spine.centre_line_mm, networks))
    return found


def _analyzed(volume: Volume, networks: Networks) -> Analysis:
    check(volume.hu, np.array(volume.spacing_mm))
    return analyze(volume, networks)


def _levels_found(study: Study, analysis: Analysis) -> tuple[str, ...]:
    box = analysis.spine.patch_boxes_mm[int(np.argmax(analysis.patch_scores))]
    return levels_in(study, float(box[2]), float(box[5]))


def _changed(study: Study, found: Case, canal_mm: NDArray[np.float32], networks: Networks) -> tuple[Changed, ...]:
    """The study under every change; with its case where the score changed most."""
    assert study.volume is not None
    assert found.score is not None
    highest_mm = found.boxes_mm[int(np.argmax(found.patch_scores))][[2, 5]] + study.volume.slice_location_mm
    results: list[Changed] = []
    for change in changes(study.volume, canal_mm, found.fractures):
        volume = change.make()
        try:
            analysis = _analyzed(volume, networks)
        except StudyRefused as refusal:
            results.append(Changed(change.kind, change.name, None, str(refusal.code), found.score))
            continue
        score = analysis.study_score
        shown = _shows(analysis, volume, highest_mm)
        one = Changed(change.kind, change.name, score, None, found.score, shown=shown)
        if abs(score - found.score) > max((abs(other.by or 0.0) for other in results), default=-1.0):
            results = [replace(other, case=None) for other in results]
            one = replace(one, case=_answered(replace(found, name=f"{study.name}, {change}"), analysis))
        results.append(one)
    return tuple(results)


def _shows(analysis: Analysis, volume: Volume, extent_mm: NDArray[np.floating[Any]]) -> bool:
    """Tell whether patches cover an extent of heights in the patient."""
    boxes = analysis.spine.patch_boxes_mm + volume.slice_location_mm
    low, high = extent_mm
    return bool(boxes[:, 2].min() <= low + _SAME_MM and high - _SAME_MM <= boxes[:, 5].max())


def _answered(case: Case, analysis: Analysis) -> Case:
    """The case with what the pipeline found."""
    return replace(
        case,
        score=analysis.study_score,
        patch_scores=analysis.patch_scores,
        boxes_mm=analysis.spine.patch_boxes_mm,
        picture=_picture(analysis),
    )


def _picture(analysis: Analysis) -> Picture:
    spine = analysis.spine
    z_top, y_front, row, column = spine.midsagittal_mm.tolist()
    view = Midsagittal(spine.midsagittal, z_top, y_front, row, column, spine.patch_boxes_mm, spine.centre_line_mm)
    return Picture(view, spine.location, analysis.patch_probabilities)


def _centre_error_mm(study: Study, analysis: Analysis) -> tuple[float, float, float] | None:
    if study.centre_line_mm is None or study.volume is None:
        return None
    line = analysis.spine.centre_line_mm
    rows = np.rint(line[:, 2] / study.volume.spacing_mm[0]).astype(int)
    error = np.linalg.norm(line[:, :2] - study.centre_line_mm[rows], axis=1)
    error = error[np.isfinite(error)]
    if not len(error):
        return None
    return float(np.median(error)), float(np.percentile(error, 95)), float((error <= 5).mean())


_SOFT_HU = (-10.0, 110.0)
_WINDOW_MM = 7.0


def noise_hu(volume: Volume) -> float:
    """Noise of a scan, the same way for all kinds: the commonest standard deviation of small windows in soft tissue.

    The global noise level of Christianson et al., AJR 2015;205:W93, on the slices that the detector sees. NaN without
    soft tissue.
    """
    dz, dy, _ = volume.spacing_mm
    size = max(3, round(_WINDOW_MM / dy))
    spreads = []
    for index in pick(len(volume.hu), dz):
        image = volume.hu[index].astype(np.float32)
        soft = (image > _SOFT_HU[0]) & (image < _SOFT_HU[1])
        mean, square = uniform_filter(image, size), uniform_filter(image * image, size)
        # Noise itself takes voxels out of the range: most of a window is asked for, not all.
        inside = uniform_filter(soft.astype(np.float32), size) > 0.8
        spreads.append(np.sqrt(np.maximum(square - mean * mean, 0))[inside])
    spread = np.concatenate(spreads)
    if len(spread) < 100:
        return float("nan")
    counts, edges = np.histogram(spread, bins=np.arange(0, 101, 1.0))
    most = int(counts.argmax())
    return float((edges[most] + edges[most + 1]) / 2)
