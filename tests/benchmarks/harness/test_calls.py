# SPDX-License-Identifier: Apache-2.0
import pytest

from tests.benchmarks.harness.virtual_time import run
from vcf_benchmarks.harness.calls import WRONG, Call, Meter, failure_of
from vcf_contract.errors import Overloaded


def test_three_times_of_a_call() -> None:
    call = Call(scheduled_s=1.0, sent_s=1.05, done_s=1.3)
    assert call.corrected_ms == pytest.approx(300)
    assert call.uncorrected_ms == pytest.approx(250)
    assert call.lag_ms == pytest.approx(50)


def test_outcomes_are_told_apart_and_mistakes_of_ours_are_raised() -> None:
    async def ask(number: int) -> str | None:
        if number == 3:
            raise KeyError("a mistake")
        if number == 2:
            raise Overloaded("full")
        return WRONG if number else None

    assert [run(failure_of(ask, number)) for number in range(3)] == [None, WRONG, "OVERLOADED"]
    with pytest.raises(KeyError):
        run(failure_of(ask, 3))


def test_a_thread_takes_no_more_than_its_process(monkeypatch) -> None:
    clocks = {"perf_counter": [0.0, 10.0], "thread_time": [1.0, 2.0], "process_time": [5.0, 20.0]}
    for name, readings in clocks.items():
        monkeypatch.setattr(f"vcf_benchmarks.harness.calls.time.{name}", iter(readings).__next__)
    assert Meter().shares() == (pytest.approx(0.1), pytest.approx(1.5))
