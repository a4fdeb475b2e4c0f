# SPDX-License-Identifier: Apache-2.0
"""The rule is applied to readings whose best form is known."""

import json

import pytest

from tests.benchmarks.sweep.readings import BASE, BF16, FLIPS, NO_DELAY, PASSED, WIDE, point
from vcf_benchmarks.harness.machine import ROOT
from vcf_benchmarks.sweep.choice import accuracy, checks, choose
from vcf_contract.errors import SetupError
from vcf_export.config import CHECKS


def test_the_fastest_within_the_bound_is_chosen():
    points = [point(BASE, 4.0, 4.2), point(WIDE, 5.0, 5.2, low_ms=361), point(NO_DELAY, 4.4, 4.5, low_ms=359)]
    choice = choose(points, BASE, PASSED, None, 1.2)
    assert choice.bound_ms == pytest.approx(360)
    assert choice.chosen is points[2]
    assert choice.why_not == {BASE: "slower", WIDE: "p99 of 361 ms at low load"}
    assert choose(points, BASE, PASSED, 400, 1.2).chosen is points[1]


def test_the_committed_form_stays_where_nothing_is_faster_and_none_is_taken_where_nothing_holds():
    points = [point(BASE, 4.0, 4.2), point(WIDE, 3.0, 3.2)]
    assert choose(points, BASE, PASSED, None, 1.2).chosen is points[0]
    assert choose(points, BASE, PASSED, 100, 1.2).chosen is None


@pytest.mark.parametrize(
    ("tuned", "changed", "why"),
    [
        (BF16, {}, "1 decision flips"),
        (WIDE, {"difference": 2e-3}, "scores differ from the committed form's by 2.0e-03"),
        (WIDE, {"failures": ["WRONG", "OVERLOADED"]}, r"4 calls failed or were answered wrongly (OVERLOADED, WRONG)"),
    ],
)
def test_what_is_fast_and_wrong_is_not_chosen(tuned, changed, why):
    points = [point(BASE, 4.0, 4.2), point(tuned, 8.0, 8.2, **changed)]
    choice = choose(points, BASE, FLIPS, None, 1.2)
    assert choice.chosen is points[0]
    assert choice.why_not[tuned] == why


def test_one_lucky_reading_is_not_enough():
    points = [point(BASE, 4.0, 4.2), point(WIDE, 9.0)]
    choice = choose(points, BASE, PASSED, None, 1.2)
    assert choice.chosen is points[0] and choice.why_not[WIDE] == "not among the fastest of the search"


def test_reduced_precision_needs_its_check(tmp_path):
    def parity(**check):
        path = tmp_path / "parity.json"
        path.write_text(json.dumps({"checks": [{"name": CHECKS["cpu-bf16"], "decision_flips": 0, **check}]}))
        return checks(path)

    assert accuracy("cpu", ROOT, None) is None and accuracy("onnxruntime", ROOT, {}) is None
    assert accuracy("cpu-bf16", ROOT, parity(passed=True)) is None
    assert "was missed" in accuracy("cpu-bf16", ROOT, parity(passed=False))
    assert "no result" in accuracy("cpu-bf16", ROOT, parity(passed=None))
    assert "no result" in accuracy("cpu-int8", ROOT, parity(passed=True))
    assert "2 decisions flip" in accuracy("cpu-bf16", ROOT, parity(passed=True, decision_flips=2))
    assert accuracy("cpu-bf16", ROOT, parity(passed=True, decision_flips=2), accept_flips=True) is None
    with pytest.raises(SetupError, match="is not what"):
        (tmp_path / "parity.json").write_text("[]")
        checks(tmp_path / "parity.json")


def test_check_that_the_passport_of_the_encoder_records(tmp_path):
    folder = tmp_path / "patch_encoder" / "1"
    folder.mkdir(parents=True)

    def record(**parity):
        entry = {"sha256": "0", "parity": {"check": CHECKS["cpu-int8"], "passed": True, "decision_flips": 3, **parity}}
        (folder / "passport.json").write_text(json.dumps({"files": {"model.int8.xml": entry}}))

    record()
    assert "3 decisions flip" in accuracy("cpu-int8", tmp_path, None)
    assert "no result" in accuracy("cpu-bf16", tmp_path, None)
    record(decision_flips=0)
    assert accuracy("cpu-int8", tmp_path, None) is None
    record(passed=False)
    assert "was missed" in accuracy("cpu-int8", tmp_path, None)
    (folder / "passport.json").unlink()
    assert "no result" in accuracy("cpu-int8", tmp_path, None)
