# SPDX-License-Identifier: Apache-2.0
"""The evaluation as a whole, with networks that answer by rule: no weights, no luck."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from training import evaluate
from training.evaluation import examine as examining
from training.evaluation.cases import Case, Study
from training.evaluation.studies import NAMES, PHANTOMS, of_phantom, own_study, recipe, tasks
from training.phantom import Phantom, nominal, render
from training.reference import Analysis
from vcf.errors import Code, SetupError, StudyRefused


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


def test_noise_is_the_phantoms() -> None:
    """White noise on soft tissue: the commonest spread of 7 mm windows is its standard deviation."""
    from preprocess.geometry import Volume

    rng = np.random.default_rng(0)
    hu = np.rint(rng.normal(50, 12, (12, 128, 128))).astype(np.int16)
    assert examining.noise_hu(Volume(hu, (5.0, 1.0, 1.0), np.eye(4))) == pytest.approx(12, abs=1.5)
    assert np.isnan(examining.noise_hu(Volume(np.full_like(hu, -1000), (5.0, 1.0, 1.0), np.eye(4))))


def test_a_phantom_brings_its_truth_and_both_kinds_of_heights(phantom: Phantom, study: Study) -> None:
    assert study.fractured is False
    assert [v.level for v in study.vertebrae] == [v.level for v in phantom.vertebrae]
    assert set(study.heights) == {"labels", "coverage", "exact"}


def test_own_data_keeps_its_patient_and_a_refused_ct_is_a_study_too() -> None:
    def refuse() -> None:
        raise StudyRefused(Code.SLICE_TOO_THICK, "slices of 7 mm")

    annotated: Any = SimpleNamespace(key="k", patient="p", fractured=True, grade=2, synthetic=False, load=refuse)
    made = own_study(annotated)
    found = examining.examine(made, None)  # type: ignore[arg-type]
    assert (found.group, found.refused, found.grade) == ("p", "SLICE_TOO_THICK", 2)


def scripted(cases: list[Case]) -> list[Callable[[], Any]]:
    return [partial(SimpleNamespace, name=c.name, case=c) for c in cases]


def test_document_holds_the_published_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from tests.training.evaluation.made import mixed, refused

    (tmp_path / "manifest.json").write_text(json.dumps({"operating_point": {"threshold": 0.45}, "files": {}}))
    monkeypatch.setattr(evaluate, "tasks", lambda *_: scripted([*mixed(20), refused(99)]))
    monkeypatch.setattr(evaluate, "examine", lambda made, *_, **__: made.case)
    monkeypatch.setattr(evaluate, "_networks", lambda _: None)
    seen: list[tuple[int, int]] = []
    found = evaluate.evaluate("phantom-test", 21, tmp_path, done=lambda *step: seen.append(step))
    loaded = json.loads(found.to_json())
    for key in ("study_auc", "sensitivity", "specificity", "height_baseline_auc", "not_processed"):
        assert 0 <= loaded[key] <= 1, key
    low, high = loaded["study_auc_interval"]
    assert low <= loaded["study_auc"] <= high
    assert loaded["synthetic"] is True
    assert len(loaded["results"]) == 21
    assert seen[-1] == (21, 21)


def test_weights_without_an_operating_point_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="no operating point"):
        evaluate.operating_points(tmp_path)


def test_the_sets_share_no_patient_with_training_or_tuning() -> None:
    from training import dataset
    from training.presets import PRESETS

    used = [
        range(made.first_seed, made.first_seed + made.patients)
        for preset in PRESETS.values()
        for made in (
            dataset.training_set(preset.member.phantoms, preset.member.views),
            dataset.tuning_set(preset.member.tuning_phantoms),
        )
    ]
    for name in PHANTOMS:
        first_seed = recipe(name)["first_seed"]
        assert not any(seed in seeds for seeds in used for seed in range(first_seed, first_seed + 1000))


def test_recipe_names_all_that_makes_the_set() -> None:
    """The set ships as a recipe: seeds, ranges and a hash of the generator's code."""
    made = recipe("phantom-test")
    assert made["ranges"] == "held out"
    assert len(made["generator"]) == 16
    assert len(tasks("phantom-test", 7, Path())) == 7
    assert "phantom-test" in NAMES
