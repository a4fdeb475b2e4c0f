# SPDX-License-Identifier: Apache-2.0
"""One study of the test set, measured against its truth."""

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("tensorflow")
from vcf_contract.errors import Code, StudyRefused
from vcf_preprocess.geometry import Volume
from vcf_training.evaluation import examine as examining
from vcf_training.evaluation.cases import Study
from vcf_training.evaluation.studies import of_phantom
from vcf_training.phantom import Phantom, nominal, render
from vcf_training.reference import Analysis


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return render(nominal(levels=("T10", "L3")), spacing_mm=(4.0, 2.0, 2.0), region="spine")


@pytest.fixture(scope="module")
def study(phantom: Phantom) -> Study:
    return of_phantom(phantom)


def answer(line: np.ndarray, score: float = 0.25) -> Analysis:
    """An analysis that found this centre line."""
    spine = SimpleNamespace(
        centre_line_mm=line.astype(np.float32),
        patch_boxes_mm=np.array([[0, 0, 48, 9, 9, 96], [0, 0, 0, 9, 9, 48]], np.float32),
        location=np.array([0.25, 0.75], np.float32),
        midsagittal=np.zeros((4, 4), np.int16),
        midsagittal_mm=np.array([96.0, 0.0, 1.0, 1.0], np.float32),
        flags=(Code.CANAL_INTERPOLATED,),
    )
    return Analysis(score, np.array([score, 0.1]), np.array([score, 0.1]), spine)  # type: ignore[arg-type]


def test_distance_to_the_true_line_is_measured_slice_by_slice(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    assert study.volume is not None
    assert study.centre_line_mm is not None
    truth, dz = study.centre_line_mm, study.volume.spacing_mm[0]
    rows = np.arange(3, len(truth))  # the found spine may begin above the first slice
    line = np.column_stack([truth[rows] + [3.0, 4.0], rows * dz])
    monkeypatch.setattr(examining, "analyze", lambda *_: answer(line))
    found = examining.examine(study, None)  # type: ignore[arg-type]
    assert found.score == 0.25
    assert found.grade == 0
    assert found.flags == ("CANAL_INTERPOLATED",)
    assert found.centre_error_mm is not None
    assert found.centre_error_mm[:2] == pytest.approx((5.0, 5.0), abs=1e-4)


def test_a_refused_study_has_a_code_and_no_score(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise StudyRefused(Code.SPINE_NOT_FOUND, "nowhere")

    monkeypatch.setattr(examining, "analyze", refuse)
    found = examining.examine(study, None)  # type: ignore[arg-type]
    assert (found.refused, found.score, found.usable) == ("SPINE_NOT_FOUND", None, False)


def test_a_scan_that_the_server_would_refuse_is_refused_here(study: Study) -> None:
    from dataclasses import replace

    assert study.volume is not None
    short = replace(study, volume=replace(study.volume, hu=study.volume.hu[:20]))
    assert examining.examine(short, None).refused == "TOO_SHORT"  # type: ignore[arg-type]


def test_whether_a_cut_scan_still_shows_a_height() -> None:
    """Patches from 100 to 196 mm above the first slice, which lies 50 mm below the patient's origin."""
    boxes = np.array([[0, 0, 148, 1, 1, 196], [0, 0, 100, 1, 1, 148]], np.float32)
    analysis = SimpleNamespace(spine=SimpleNamespace(patch_boxes_mm=boxes))
    affine = np.diag([1.0, 1.0, 2.0, 1.0])
    affine[2, 3] = -50.0
    volume = Volume(np.zeros((4, 4, 4), np.int16), (2.0, 1.0, 1.0), affine)
    for extent, shown in (((50.0, 98.0), True), ((98.0, 146.5), True), ((100.0, 148.0), False), ((47.0, 95.0), False)):
        assert examining._shows(analysis, volume, np.array(extent)) == shown  # type: ignore[arg-type]
