# SPDX-License-Identifier: Apache-2.0
"""A ready study to its results, its refusal, or another try."""

from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from tests.clients.ct_series import CtSeries
from tests.clients.gateway.fake_analyzer import FakeAnalyzer
from tests.clients.gateway.test_intake import KEY, Parts, take
from vcf_client.gateway.analysis import Analysis
from vcf_client.gateway.backoff import Backoff
from vcf_client.gateway.journal import State
from vcf_contract.errors import ServerFailed


class Bench:
    """A study that is ready, and what works on it."""

    def __init__(self, folder: Path, series: CtSeries, **options: Any) -> None:
        self.parts, self.analyzer = Parts(folder), FakeAnalyzer()
        self.name = KEY.name("study", series.study_uid)
        with self.parts.intake.session() as session:
            for image in series.images():
                take(session, image)
        assert self.parts.intake.make_ready() == 1
        usual: dict[str, Any] = {
            "age_policy": "warn",
            "max_attempts": 2,
            "report_refusals": False,
            "settle_s": 0.0,
        }
        backoff = Backoff(0.001, 0.002)
        self.analysis = Analysis(self.parts.spool, self.parts.journal, KEY, self.analyzer, backoff, **(usual | options))

    def work(self) -> State | None:
        claim = self.parts.journal.claim()
        while claim is None:  # postponed for a millisecond or two
            claim = self.parts.journal.claim()
        self.analysis.work(claim)
        return self.parts.journal.state(self.name)

    def results(self) -> list[Any]:
        return [dcmread(self.parts.spool.result_path(name)) for name in sorted(self.parts.spool.results())]


@pytest.fixture
def series() -> CtSeries:
    return CtSeries()


def test_a_study_becomes_a_report_and_a_picture_of_it(tmp_path: Path, series: CtSeries) -> None:
    bench = Bench(tmp_path, series)
    assert bench.work() is State.SENDING
    found = bench.results()
    assert sorted(result.Modality for result in found) == ["OT", "SR"]
    assert {result.StudyInstanceUID for result in found} == {series.study_uid}


def test_the_same_images_and_weights_give_the_same_uids(tmp_path: Path, series: CtSeries) -> None:
    made = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        bench = Bench(folder, series)
        bench.work()
        made.append({result.SOPInstanceUID for result in bench.results()})
    assert made[0] == made[1] and len(made[0]) == 2


@pytest.mark.parametrize("reported", [False, True])
def test_a_refusal_is_written_down_and_reported_where_that_is_wanted(tmp_path: Path, reported: bool) -> None:
    bench = Bench(tmp_path, CtSeries(elements={"Modality": "MR"}), report_refusals=reported)
    bench.work()
    assert [result.Modality for result in bench.results()] == ["SR"] * reported
    assert bench.analyzer.calls == 0


def test_a_server_that_is_not_there_costs_no_attempt(tmp_path: Path, series: CtSeries) -> None:
    bench = Bench(tmp_path, series)
    bench.analyzer.ready = False
    for _ in range(5):
        assert bench.work() is State.READY
    bench.analyzer.ready = True
    assert bench.work() is State.SENDING


def test_a_failure_is_tried_again_and_then_given_up(tmp_path: Path, series: CtSeries) -> None:
    bench = Bench(tmp_path, series)
    bench.analyzer.error = ServerFailed("Secret^Name")
    assert bench.work() is State.READY
    assert bench.work() is State.FAILED
    assert bench.results() == []


def test_results_of_a_study_that_has_grown_are_dropped(tmp_path: Path, series: CtSeries) -> None:
    bench = Bench(tmp_path, series)
    more = CtSeries(slices=41, study_uid=series.study_uid, series_uid=series.series_uid).images()[-1]
    analyze = bench.analyzer.analyze

    def grow(study: Any) -> Any:
        with bench.parts.intake.session() as session:
            take(session, more)
        return analyze(study)

    bench.analyzer.analyze = grow  # type: ignore[method-assign]
    bench.work()
    assert bench.results() == []
