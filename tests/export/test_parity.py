# SPDX-License-Identifier: Apache-2.0
"""The figures of a check against numbers worked out by hand, its gates, its page."""

import json
from pathlib import Path

import numpy as np
import pytest

for module in ("keras", "tritonclient", "onnxruntime", "openvino"):
    pytest.importorskip(module)

from tests.export.parity_answers import REFERENCE, THRESHOLD, answers, figures  # noqa: E402
from vcf_contract.contract import NETWORKS  # noqa: E402
from vcf_contract.errors import SetupError, UsageError  # noqa: E402
from vcf_export import parity, passport_writer  # noqa: E402
from vcf_export.parity import CHECKS, Answer, compare  # noqa: E402


def test_figures() -> None:
    found = compare("ONNX Runtime", REFERENCE, answers(0.1, 0.9, 0.2, 0.804), THRESHOLD)
    assert found["max_patch_difference"] == pytest.approx(0.004)
    assert found["mean_patch_difference"] == pytest.approx(0.0005)
    assert found["max_study_difference"] == pytest.approx(0.004)
    assert found["mean_study_difference"] == pytest.approx(0.001)
    assert (found["decision_flips"], found["auc_ratio"], found["studies"]) == (0, 1.0, 4)
    assert found["passed"] is False


@pytest.mark.parametrize(("change", "passes"), [(0.9e-5, True), (1.1e-5, False)])
def test_fp32_tolerance(change: float, passes: bool) -> None:
    assert compare("from DICOM", REFERENCE, answers(0.1, 0.9, 0.2, 0.8, change=change), THRESHOLD)["passed"] is passes


def test_a_tiny_difference_that_flips_a_decision_fails() -> None:
    found = compare("OpenVINO f32", answers(0.1, 0.500001, 0.2, 0.8), answers(0.1, 0.499999, 0.2, 0.8), THRESHOLD)
    assert found["max_study_difference"] < parity.FP32_TOLERANCE
    assert (found["decision_flips"], found["passed"]) == (1, False)


@pytest.mark.parametrize(
    ("scores", "ratio", "gates", "passes"),
    [
        ((0.3, 0.7, 0.25, 0.6), 1.0, [True, True], True),  # far off, but in the same order
        ((0.85, 0.9, 0.2, 0.8), 0.75, [False, False], False),
    ],
)
def test_reduced_precision_is_judged_by_its_auc(
    scores: tuple[float, ...], ratio: float, gates: list[bool], passes: bool
) -> None:
    found = compare("OpenVINO int8", REFERENCE, answers(*scores), THRESHOLD)
    assert found["auc_ratio"] == ratio
    assert list(found["gates"].values()) == gates
    assert found["passed"] is passes


def test_refusals() -> None:
    both = compare("OpenVINO bf16", answers(0.1, 0.9, None), answers(0.1, 0.9, None), THRESHOLD)
    assert (both["studies"], both["decision_flips"], both["passed"]) == (2, 0, True)
    one = compare("OpenVINO bf16", answers(0.1, 0.9, 0.2), answers(0.1, 0.9, None), THRESHOLD)
    assert (one["studies"], one["decision_flips"], one["refused_by_one"], one["passed"]) == (2, 1, 1, False)
    with pytest.raises(SetupError, match="every study was refused"):
        compare("OpenVINO bf16", answers(None), answers(0.1), THRESHOLD)


def test_another_number_of_patches_differs_by_one() -> None:
    other = [Answer(a.study, a.fractured, (a.scores[0], np.zeros(3))) for a in REFERENCE if a.scores]
    assert compare("from DICOM", REFERENCE, other, THRESHOLD)["max_patch_difference"] == 1


def test_a_missed_check_fails_and_one_that_was_not_run_does_not() -> None:
    found = figures()
    assert not parity.passed(found)
    del found["checks"][1]
    assert parity.passed(found)
    json.dumps(found)


def test_text_says_what_was_not_run() -> None:
    lines = parity.text(figures()).splitlines()
    assert lines[-1].split(maxsplit=2) == ["TensorRT", "fp32", "not run here: no GPU"]
    assert lines[-2].endswith("NOT PASSED") and lines[-3].endswith("passed")


def test_figures_go_into_the_passports_of_the_files_behind_a_check(tmp_path: Path) -> None:
    for network in NETWORKS:
        graph = tmp_path / network.name / "1" / "model.onnx"
        graph.parent.mkdir(parents=True)
        graph.write_bytes(b"graph")
        passport_writer.record(graph, precision="fp32")
    parity.record(tmp_path, {"checks": [compare("OpenVINO f32", REFERENCE, REFERENCE, THRESHOLD)]})
    content = json.loads((tmp_path / "sequence_head" / "1" / "passport.json").read_text())
    recorded = content["files"]["model.onnx"]["parity"]
    assert (recorded["check"], recorded["passed"], recorded["max_patch_difference"]) == ("OpenVINO f32", True, 0.0)


def test_unknown_check(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"no check named Keras3; there are {CHECKS[0]}, "):
        parity.check_forms(tmp_path, tmp_path, studies=1, only=["Keras3"])
