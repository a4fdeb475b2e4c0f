# SPDX-License-Identifier: Apache-2.0
"""The rule is applied to readings whose best form is known; a small sweep runs for real."""

import importlib.util
import json
from dataclasses import replace

import pytest

from benchmarks import sweep_choice, sweep_plan
from benchmarks.result import Result
from benchmarks.sweep_choice import accuracy, choose, rungs
from benchmarks.sweep_measure import Load, Point, Reading, read
from benchmarks.sweep_page import fill, gain
from export.config import RUNGS
from export.tuning import Tuning
from vcf.errors import SetupError
from vcf.serve.server import ROOT

BASE = Tuning.of("cpu")
WIDE = replace(BASE, encoders=2, threads=1)
NO_DELAY = replace(BASE, batch_delay_us=0)
BF16 = Tuning.of("cpu-bf16")
PASSED = dict.fromkeys(RUNGS)
FLIPS = PASSED | {"cpu-bf16": "1 decision flips"}


def skip_without_triton():
    if importlib.util.find_spec("pytriton") is None:
        pytest.skip("the Triton server is not installed (nvidia-pytriton)")


def reading(per_s, low_ms=300.0, **changed):
    plain = Reading(
        saturated_per_s=per_s,
        saturated_ms=[1000.0] * 8,
        low_ms=[low_ms] * 20,
        low_lag_ms=[0.1] * 20,
        memory_mib=1000.0,
        cpu_s=0.5,
        startup_s=4.0,
        difference=1e-6,
        flips=0,
        failures=[],
    )
    return replace(plain, **changed)


def point(tuned, *per_s, **changed):
    return Point(tuned, [reading(rate, **changed) for rate in per_s])


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


def test_gain_is_taken_round_by_round():
    """A machine that is half as fast in the second round is so for both."""
    assert gain(point(WIDE, 5.0, 2.4, 5.5), point(BASE, 4.0, 2.0, 5.0)) == pytest.approx((1.1, 1.2, 1.25))


def test_reduced_precision_needs_its_rung(tmp_path):
    def ladder(**rung):
        path = tmp_path / "ladder.json"
        path.write_text(json.dumps({"rungs": [{"name": RUNGS["cpu-bf16"], "decision_flips": 0, **rung}]}))
        return rungs(path)

    assert accuracy("cpu", ROOT, None) is None and accuracy("onnxruntime", ROOT, {}) is None
    assert accuracy("cpu-bf16", ROOT, ladder(passed=True)) is None
    assert "was missed" in accuracy("cpu-bf16", ROOT, ladder(passed=False))
    assert "no result" in accuracy("cpu-bf16", ROOT, ladder(passed=None))
    assert "no result" in accuracy("cpu-int8", ROOT, ladder(passed=True))
    assert "2 decisions flip" in accuracy("cpu-bf16", ROOT, ladder(passed=True, decision_flips=2))
    assert accuracy("cpu-bf16", ROOT, ladder(passed=True, decision_flips=2), accept_flips=True) is None
    with pytest.raises(SetupError, match="is not what"):
        (tmp_path / "ladder.json").write_text("[]")
        rungs(tmp_path / "ladder.json")


def test_rungs_that_the_passports_of_all_encoders_record(tmp_path):
    for member, flips in (("a", 0), ("b", 3), ("c", 1)):
        folder = tmp_path / f"patch_encoder_{member}" / "1"
        folder.mkdir(parents=True)
        parity = {"rung": RUNGS["cpu-int8"], "passed": True, "decision_flips": flips}
        entry = {"sha256": "0", "parity": parity}
        (folder / "passport.json").write_text(json.dumps({"files": {"model.int8.xml": entry}}))
    assert "3 decisions flip" in accuracy("cpu-int8", tmp_path, None)
    assert "no result" in accuracy("cpu-bf16", tmp_path, None)
    (tmp_path / "patch_encoder_c" / "1" / "passport.json").unlink()
    assert "no result" in accuracy("cpu-int8", tmp_path, None)


@pytest.mark.parametrize("cores", [1, 2, 3, 8, 64])
def test_every_level_is_a_form_that_can_be_written(cores):
    for levels in sweep_plan.factors(list(RUNGS), cores).values():
        points = [replace(BASE, **level) for level in levels]
        assert len(points) == len(set(points))
        assert all(0 <= point.threads <= cores for point in points)


def test_page_and_figures_say_what_was_chosen_and_why(tmp_path):
    points = [
        point(BASE, 4.0, 4.2, 4.1),
        point(WIDE, 5.0, 5.2, 5.1, low_ms=330.0),
        point(BF16, 8.0),
        Point(Tuning.of("onnxruntime"), refused="no file"),
    ]
    result = Result("sweep", {})
    fill(result, points, choose(points, BASE, FLIPS, None, 1.2), FLIPS, "tuned-here")
    document = json.loads(result.write(tmp_path / "sweep.json").read_text())
    figures = document["figures"]
    assert figures["chosen"]["encoders"] == 2 and figures["config"] == "tuned-here"
    assert figures["throughput_over_committed"]["median"] == pytest.approx(5.1 / 4.1)
    assert [entry["why_not"] for entry in figures["points"]] == ["slower", None, "1 decision flips"]
    assert [entry["on_pareto_front"] for entry in figures["points"]] == [False, False, True]
    assert figures["not_started"] == {str(points[3].tuning): "no file"}
    assert document["valid"] and document["figures"]["p99_at_low_load_ms"] > 0
    page = (tmp_path / "sweep.html").read_text()
    assert "1 decision flips" in page and "<svg" in page and "tuned-here" in page


def test_a_sweep_with_nothing_to_choose_does_not_hold():
    points = [point(BASE, 4.0, 4.2)]
    result = Result("sweep", {})
    fill(result, points, choose(points, BASE, PASSED, 10, 1.2), PASSED, "tuned")
    assert not result.valid and result.figures["chosen"] is None


@pytest.mark.slow
@pytest.mark.server
def test_two_forms_for_real(tiny_repository, monkeypatch):
    """Search and two rounds on tiny networks: the same answers from both, and the repository left as it was."""
    skip_without_triton()
    from benchmarks.reference import library
    from vcf.fetch import fetch_sample

    try:
        fetch_sample("lidc-idri-0001")
    except (SetupError, OSError) as error:
        pytest.skip(f"the public CT cannot be fetched: {error}")
    monkeypatch.setattr(sweep_plan, "factors", lambda forms, cores: {"encoders": [{"encoders": 2, "threads": 1}]})
    before = sorted(tiny_repository.rglob("*"))
    plan = sweep_plan.Plan(0.01, 1.0, 0.5, 2, 1, "auto", 1)
    said = []
    points = sweep_plan.sweep(tiny_repository, BASE, ["cpu"], PASSED, library(60, 2), plan, said.append)
    assert sorted(tiny_repository.rglob("*")) == before
    assert points[0].tuning == BASE
    for found in points:
        assert len(found.readings) == 2
        assert all(r.saturated_per_s > 0 and r.memory_mib > 100 and not r.failures for r in found.readings)
        assert max(r.difference for r in found.readings) < sweep_choice.FLOAT32_WITHIN
    assert len([line for line in said if line.startswith("round")]) == 2 * len(points)


@pytest.mark.slow
@pytest.mark.server
def test_a_form_that_does_not_load_says_so(tiny_repository, tmp_path):
    skip_without_triton()
    import shutil

    copy = shutil.copytree(tiny_repository, tmp_path / "repository")
    with pytest.raises(SetupError, match="int8"):
        read(copy, Tuning.of("cpu-int8"), [], Load("auto", None, 1, 1, 1, 1), None)
