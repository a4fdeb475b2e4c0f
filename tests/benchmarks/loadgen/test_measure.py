# SPDX-License-Identifier: Apache-2.0
"""LoadGen itself against a made-up system, and what is read of its logs."""

import json

import pytest

pytest.importorskip("mlperf_loadgen", reason="LoadGen has no wheel for this Python")

from tests.benchmarks.harness.made_up import findings
from tests.benchmarks.loadgen.made_up import RIGHT, system
from tests.clients.ct_series import CtSeries
from vcf_benchmarks.harness.answers import references
from vcf_benchmarks.harness.calls import WRONG
from vcf_benchmarks.harness.result import Result
from vcf_benchmarks.loadgen.figures import add_figures
from vcf_benchmarks.loadgen.measure import Plan, answering, checked, highest, measure, scores
from vcf_benchmarks.loadgen.scenarios import NOTICE, SINGLE_STREAM
from vcf_benchmarks.loadgen.summary import logged_answers
from vcf_benchmarks.loadgen.system import System
from vcf_benchmarks.pages import draw


def test_accuracy_mode_asks_for_each_study_and_its_log_is_compared(tmp_path) -> None:
    for name, wrong in (("right", None), ("wrong", 2)):
        with system(wrong) as tested:
            trial = tested.test(SINGLE_STREAM, tmp_path / name, most_in_flight=1, accuracy=True)
        assert trial.summary is None
        assert sorted(sample for sample, _ in logged_answers(tmp_path / name)) == [0, 1, 2, 3]
        assert checked(tmp_path / name, RIGHT) == (4, 0 if wrong is None else 1)
        assert trial.failures.count(WRONG) == (0 if wrong is None else 1)


def test_a_missing_answer_is_a_wrong_one(tmp_path) -> None:
    entries = [{"seq_id": 0, "qsl_idx": 1, "data": scores(findings(1)).tobytes().hex()}]
    (tmp_path / "mlperf_log_accuracy.json").write_text(json.dumps(entries))
    assert checked(tmp_path, RIGHT) == (1, 3)


@pytest.mark.slow
def test_all_scenarios_to_a_page(tmp_path) -> None:
    plan = Plan(0.2, 64, 20, 60.0, 3, 2, False, 64, 2, 1)
    with system() as tested:
        measured = measure(tested, RIGHT, plan, tmp_path / "logs")
    assert not any(measured.failures) and measured.bound_ms == 60
    assert measured.accuracy == {"SingleStream": (4, 0), "Server": (4, 0), "Offline": (4, 0)}
    assert len(measured.server) <= 2
    rules = [rule for rule in measured.broken if "Server" in rule]
    assert len(rules) == 1 and ("early stopping does not confirm" in rules[0] or "no rate keeps" in rules[0])
    result = Result("loadgen", plan.settings())
    add_figures(result, measured, "logs")
    path = result.write(tmp_path / "loadgen.json")
    document = json.loads(path.read_text())
    assert document["figures"]["notice"] == NOTICE and len(document["figures"]["tests"]) == 2 + len(measured.server)
    assert "This is not an MLPerf result" in draw(path)[0].read_text()
    assert (tmp_path / "logs" / "server-00" / "mlperf_log_summary.txt").exists()


@pytest.mark.parametrize("limit", [0.3, 4.9, 8.0])
def test_bisection_comes_near_the_limit_from_below(limit: float) -> None:
    found = highest(lambda rate: rate <= limit, 0.0, 10.0, 20)
    assert found is not None and limit * 0.96 - 0.01 <= found <= limit


def test_no_rate_may_keep_the_bound() -> None:
    asked = []
    assert highest(lambda rate: asked.append(rate) or False, 0.0, 10.0, 4) is None
    assert asked == [5.0, 2.5, 1.25, 0.625]


@pytest.mark.server
@pytest.mark.slow
def test_single_stream_through_the_server(triton_server, tmp_path) -> None:
    from vcf_client import VcfClient
    from vcf_client.reader import read_study

    studies = []
    for slices in (60, 80):
        CtSeries(slices=slices).write(tmp_path / str(slices))
        studies.append(read_study(tmp_path / str(slices)))
    with VcfClient(triton_server.grpc_url, transport="volume") as client:
        right = references([client.analyze(study) for study in studies])
    connect = answering(triton_server.grpc_url, "crop", studies, right)
    with System(len(studies), connect) as tested:
        trial = tested.test(SINGLE_STREAM, tmp_path / "logs", most_in_flight=1, min_duration_ms=500, min_query_count=4)
        tested.test(SINGLE_STREAM, tmp_path / "accuracy", most_in_flight=1, accuracy=True)
    assert len(trial.failures) >= 4 and not any(trial.failures)
    assert checked(tmp_path / "accuracy", right) == (2, 0)
