# SPDX-License-Identifier: Apache-2.0
"""LoadGen itself against a made-up system, and what is read of its logs."""

import asyncio
import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("mlperf_loadgen", reason="LoadGen has no wheel for this Python")

from benchmarks.loadgen_measure import Plan, answering, checked, highest, measure, scores
from benchmarks.loadgen_page import NOTICE, fill
from benchmarks.loadgen_summary import Summary, logged_answers
from benchmarks.loadgen_system import SINGLE_STREAM, Answered, System
from benchmarks.open_loop import WRONG
from benchmarks.reference import Reference, references
from benchmarks.result import Result
from clients import Findings
from clients.findings import Midsagittal, ModelId, Patch
from tests.clients.ct_series import CtSeries
from vcf.errors import Overloaded

SERVICE_S = 0.004
SERVER_TEXT = """\
SUT name : PySUT
Scenario : Server
Mode     : PerformanceOnly
Completed samples per second    : 9.25
Result is : INVALID
  Performance constraints satisfied : NO
  Min duration satisfied : Yes
  Min queries satisfied : Yes
  Early stopping satisfied: NO
Recommendations:
 * Reduce target QPS to improve latency.
Early Stopping Result:
 * Run unsuccessful.
 * Processed 54 queries.
 * Would need to run at least 7192 more queries,
 with the run being successful if every additional
 query were under latency.

================================================
Additional Stats
================================================
Scheduled samples per second : 50.75
50.00 percentile latency (ns)   : 2707999765
99.90 percentile latency (ns)   : 4702941366
"""


def findings(number: int) -> Findings:
    patches = tuple(Patch(0.1, 0.1 * number + 0.01 * k, 0.5, ((0, 0, k), (1, 1, k + 1))) for k in range(3))
    empty = Midsagittal(np.zeros((1, 1), np.int16), 0, 0, 1, 1, np.zeros((3, 6), np.float32), np.zeros((1, 3)))
    model = ModelId("vcf", "1", (), "0f")
    return Findings(f"s{number}", patches[-1].score, 0.5, patches, (), (), (), model, {}, empty)


RIGHT = tuple(Reference(findings(number)) for number in range(4))


def system(wrong: int | None = None, error: BaseException | None = None) -> System:
    async def connect():
        async def answer(sample: int) -> Answered:
            await asyncio.sleep(SERVICE_S)
            if sample == wrong and error:
                raise error
            found = findings(sample if sample != wrong else 5)
            return Answered(scores(found).tobytes(), WRONG if RIGHT[sample].mistake(found) else None)

        async def close() -> None:
            return None

        return answer, close

    return System(len(RIGHT), connect)


def test_single_stream_one_after_the_other(tmp_path) -> None:
    with system() as tested:
        trial = tested.test(SINGLE_STREAM, tmp_path, most_in_flight=1, min_duration_ms=100, min_query_count=70)
    assert len(trial.failures) >= 70 and not any(trial.failures)
    assert trial.summary.scenario == SINGLE_STREAM and trial.summary.valid
    ours, theirs = np.percentile(trial.latencies_ms, 90, method="inverted_cdf"), trial.summary.headline
    assert theirs >= SERVICE_S * 1e3
    assert theirs == pytest.approx(ours, rel=0.5)
    # 64 and more: early stopping gives a p90, never under the observed one.
    assert trial.summary.early_stopping_ms >= theirs


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


def test_failed_calls_do_not_hang_loadgen(tmp_path) -> None:
    with system(1, Overloaded("full")) as tested:
        trial = tested.test(SINGLE_STREAM, tmp_path, most_in_flight=1, accuracy=True)
    assert trial.failures.count("OVERLOADED") == 1
    with system(1, KeyError("a mistake")) as tested, pytest.raises(KeyError):
        tested.test(SINGLE_STREAM, tmp_path, most_in_flight=1, accuracy=True)


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
    fill(result, measured, plan, "logs")
    path = result.write(tmp_path / "loadgen.json")
    document = json.loads(path.read_text())
    assert document["figures"]["notice"] == NOTICE and len(document["figures"]["tests"]) == 2 + len(measured.server)
    assert "This is not an MLPerf result" in path.with_suffix(".html").read_text()
    assert (tmp_path / "logs" / "server-00" / "mlperf_log_summary.txt").exists()


def test_a_summary_is_read() -> None:
    found = Summary.parse(SERVER_TEXT)
    assert (found.scenario, found.valid, found.headline) == ("Server", False, 9.25)
    assert found.satisfied == {
        "Performance constraints": False,
        "Min duration": True,
        "Min queries": True,
        "Early stopping": False,
    }
    assert found.early_stopping[:2] == ("Run unsuccessful.", "Processed 54 queries.")
    assert found.early_stopping[2].startswith("Would need to run at least 7192 more queries, with")
    assert found.percentiles_ms == {"50": 2707.999765, "99.9": 4702.941366}
    with pytest.raises(ValueError, match="no line like"):
        Summary.parse("nothing of the kind")


@pytest.mark.parametrize("limit", [0.3, 4.9, 8.0])
def test_bisection_comes_near_the_limit_from_below(limit: float) -> None:
    found = highest(lambda rate: rate <= limit, 0.0, 10.0, 20)
    assert found is not None and limit * 0.96 - 0.01 <= found <= limit


def test_no_rate_may_keep_the_bound() -> None:
    asked = []
    assert highest(lambda rate: asked.append(rate) or False, 0.0, 10.0, 4) is None
    assert asked == [5.0, 2.5, 1.25, 0.625]


def test_mixed_up_answers_must_be_seen() -> None:
    twin = replace(findings(1), series_id="s2")
    with pytest.raises(ValueError, match="same answer"):
        references([findings(1), twin])
    assert RIGHT[1].mistake(twin) == "the answer is to another study"
    assert "score is off" in (RIGHT[1].mistake(replace(findings(2), series_id="s1")) or "")


@pytest.mark.server
@pytest.mark.slow
def test_single_stream_through_the_server(triton_server, tmp_path) -> None:
    from clients import VcfClient
    from clients.reader import read_study

    studies = []
    for slices in (60, 80):
        CtSeries(slices=slices).write(tmp_path / str(slices))
        studies.append(read_study(tmp_path / str(slices)))
    with VcfClient(triton_server.grpc_url, wire="volume") as client:
        right = references([client.analyze(study) for study in studies])
    connect = answering(triton_server.grpc_url, "crop", studies, right)
    with System(len(studies), connect) as tested:
        trial = tested.test(SINGLE_STREAM, tmp_path / "logs", most_in_flight=1, min_duration_ms=500, min_query_count=4)
        tested.test(SINGLE_STREAM, tmp_path / "accuracy", most_in_flight=1, accuracy=True)
    assert len(trial.failures) >= 4 and not any(trial.failures)
    assert checked(tmp_path / "accuracy", right) == (2, 0)
