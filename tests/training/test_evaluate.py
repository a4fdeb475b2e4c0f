# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

pytest.importorskip("tensorflow")

from training import evaluate
from training.evaluate import Result, summary
from training.phantom import Phantom, nominal, render
from training.reference import Analysis
from vcf.errors import Code, StudyRefused


def result(grade: int, score: float | None) -> Result:
    return Result(0, grade, "chest", 2.0, score, None if score is not None else "SPINE_NOT_FOUND", (1.0, 2.0))


def test_figures_by_hand() -> None:
    results = [result(0, 0.1), result(0, 0.5), result(1, 0.4), result(3, 0.9), result(2, None)]
    figures = summary(results, threshold=0.45)
    assert figures["studies"] == 5
    assert figures["refused"] == 1
    assert figures["auc"] == pytest.approx(3 / 4)
    assert figures["auc_grade_2_3"] == 1
    assert figures["auc_grade_1"] == pytest.approx(1 / 2)
    assert (figures["sensitivity"], figures["specificity"]) == (0.5, 0.5)


def test_one_class_gives_no_auc() -> None:
    figures = summary([result(0, 0.1), result(0, 0.2)], threshold=0.5)
    assert figures["auc"] is None
    assert "sensitivity" not in figures


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return render(nominal(levels=("T10", "L3")), spacing_mm=(4.0, 2.0, 2.0), region="spine")


def test_distance_to_the_true_line_is_measured_slice_by_slice(
    phantom: Phantom, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth, dz = phantom.centre_line_mm, phantom.volume.spacing_mm[0]
    rows = np.arange(3, len(truth))  # the found spine may begin above the first slice
    line = np.column_stack([truth[rows] + [3.0, 4.0], rows * dz]).astype(np.float32)

    class Spine:
        centre_line_mm = line

    found = Analysis(0.25, np.zeros(2), np.zeros(2), Spine())  # type: ignore[arg-type]
    monkeypatch.setattr(evaluate, "analyze", lambda *_: found)
    answer = evaluate.evaluate_phantom(phantom, None)  # type: ignore[arg-type]
    assert answer.score == 0.25
    assert answer.grade == 0
    assert answer.centre_error_mm == pytest.approx((5.0, 5.0), abs=1e-4)


def test_a_refused_study_has_a_code_and_no_score(phantom: Phantom, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise StudyRefused(Code.SPINE_NOT_FOUND, "nowhere")

    monkeypatch.setattr(evaluate, "analyze", refuse)
    answer = evaluate.evaluate_phantom(phantom, None)  # type: ignore[arg-type]
    assert (answer.refused, answer.score) == ("SPINE_NOT_FOUND", None)


def test_the_sets_share_no_patient_with_training_or_tuning():
    from training import dataset
    from training.evaluate import SETS
    from training.presets import PRESETS

    used = [
        range(made.first_seed, made.first_seed + made.patients)
        for preset in PRESETS.values()
        for made in (
            dataset.training_set(preset.member.phantoms, preset.member.views),
            dataset.tuning_set(preset.member.tuning_phantoms),
        )
    ]
    for first_seed, _ in SETS.values():
        assert not any(seed in seeds for seeds in used for seed in range(first_seed, first_seed + 1000))
