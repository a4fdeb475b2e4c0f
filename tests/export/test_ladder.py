# SPDX-License-Identifier: Apache-2.0
"""The figures of a rung against numbers worked out by hand, its gates, its page."""

import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

for module in ("keras", "tritonclient", "onnxruntime", "openvino"):
    pytest.importorskip(module)

from export import ladder, passport, runtimes  # noqa: E402
from export.config import CPU_BF16  # noqa: E402
from export.ladder import RUNGS, Answer, compare  # noqa: E402
from export.ladder_page import page, write_page  # noqa: E402
from export.ladder_studies import widened  # noqa: E402
from preprocess.geometry import Volume  # noqa: E402
from vcf.contract import NETWORKS  # noqa: E402
from vcf.errors import SetupError, UsageError  # noqa: E402

THRESHOLD = 0.5


def answers(*scores: float | None, change: float = 0.0) -> list[Answer]:
    """Studies of two patches, every second one fractured; None is a refusal."""
    return [
        Answer(f"s{i}", i % 2 == 1, None if s is None else (s + change, np.array([0.0, s + change])))
        for i, s in enumerate(scores)
    ]


REFERENCE = answers(0.1, 0.9, 0.2, 0.8)


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
    assert found["max_study_difference"] < ladder.FP32_TOLERANCE
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


def figures() -> dict:
    rungs = [
        compare("ONNX Runtime", REFERENCE, REFERENCE, THRESHOLD),
        compare("OpenVINO int8", REFERENCE, answers(0.85, 0.9, 0.2, 0.8), THRESHOLD),
        {"name": "TensorRT fp32", **ladder._NO_FIGURES, "not_run": "not run here: no GPU"},
    ]
    scores = {
        a.study: {"Keras": a.scores and a.scores[0], "ONNX Runtime": 0.1, "OpenVINO int8": 0.2} for a in REFERENCE
    }
    head = {"reference": "Keras", "threshold": THRESHOLD, "studies": {"phantom": 4}, "fractured": 2, "refused": 0}
    return {**head, "reference_auc": 1.0, "rungs": rungs, "scores": scores}


def test_a_missed_rung_fails_and_one_that_was_not_run_does_not() -> None:
    found = figures()
    assert not ladder.passed(found)
    del found["rungs"][1]
    assert ladder.passed(found)
    json.dumps(found)


def test_text_says_what_was_not_run() -> None:
    lines = ladder.text(figures()).splitlines()
    assert lines[-1].split(maxsplit=2) == ["TensorRT", "fp32", "not run here: no GPU"]
    assert lines[-2].endswith("NOT PASSED") and lines[-3].endswith("passed")


class Cells(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)


def test_page(tmp_path: Path) -> None:
    path = write_page(tmp_path / "report", figures())
    found = path.read_text("utf-8")
    assert path.name == "parity.html" and found == page(figures())
    parsed = Cells()
    parsed.feed(found)
    assert parsed.tags.count("tr") == 4 and parsed.tags.count("svg") == 2
    assert parsed.tags.count("circle") == 2 * len(REFERENCE)
    assert "not run here: no GPU" in found and "not passed" in found and "http" not in found


def test_figures_go_into_the_passports_of_the_files_behind_a_rung(tmp_path: Path) -> None:
    for network in NETWORKS:
        graph = tmp_path / network.name / "1" / "model.onnx"
        graph.parent.mkdir(parents=True)
        graph.write_bytes(b"graph")
        passport.record(graph, precision="fp32")
    ladder.record(tmp_path, {"rungs": [compare("OpenVINO f32", REFERENCE, REFERENCE, THRESHOLD)]})
    content = json.loads((tmp_path / "sequence_head_b" / "1" / "passport.json").read_text())
    parity = content["files"]["model.onnx"]["parity"]
    assert (parity["rung"], parity["passed"], parity["max_patch_difference"]) == ("OpenVINO f32", True, 0.0)


def test_bfloat16_is_not_run_where_it_would_be_float32(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtimes, "has_bfloat16", lambda: False)
    with pytest.raises(SetupError, match="no bfloat16 units"):
        runtimes.load(tmp_path, CPU_BF16)


def test_unknown_rung(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"no rung named Keras3; there are {RUNGS[0]}, "):
        ladder.climb(tmp_path, tmp_path, studies=1, only=["Keras3"])


def test_air_around_a_small_volume_moves_nothing() -> None:
    hu = np.random.default_rng(0).integers(-100, 900, (4, 30, 21)).astype(np.int16)
    affine = np.array([[2.0, 0, 0, 10], [0, 2.0, 0, -5], [0, 0, 3, 7], [0, 0, 0, 1]])
    found = widened(Volume(hu, (3.0, 2.0, 2.0), affine), least_mm=80.0)
    assert found.hu.shape == (4, 40, 40)
    assert (found.hu == -1024).sum() == 4 * (40 * 40 - 30 * 21)
    inner = np.argwhere(found.hu[0] == hu[0].max())[0]
    outer = np.argwhere(hu[0] == hu[0].max())[0]
    there, here = (a @ [*index[::-1], 0, 1] for a, index in ((found.affine, inner), (affine, outer)))
    np.testing.assert_allclose(there, here)
