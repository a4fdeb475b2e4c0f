# SPDX-License-Identifier: Apache-2.0

import pytest

pytest.importorskip("mlperf_loadgen", reason="LoadGen has no wheel for this Python")

from tests.benchmarks.loadgen.made_up import SERVICE_S, system
from vcf_benchmarks.loadgen.scenarios import SINGLE_STREAM
from vcf_contract.errors import Overloaded


def test_single_stream_one_after_the_other(tmp_path) -> None:
    with system() as tested:
        trial = tested.test(SINGLE_STREAM, tmp_path, most_in_flight=1, min_duration_ms=100, min_query_count=70)
    assert len(trial.failures) >= 70 and not any(trial.failures)
    assert trial.summary.scenario == SINGLE_STREAM and trial.summary.valid
    theirs = trial.summary.headline
    assert theirs >= SERVICE_S * 1e3 and min(trial.latencies_ms) >= SERVICE_S * 1e3
    # 64 and more: early stopping gives a p90, never under the observed one.
    assert trial.summary.early_stopping_ms >= theirs


def test_failed_calls_do_not_hang_loadgen(tmp_path) -> None:
    with system(1, Overloaded("full")) as tested:
        trial = tested.test(SINGLE_STREAM, tmp_path, most_in_flight=1, accuracy=True)
    assert trial.failures.count("OVERLOADED") == 1
    with system(1, KeyError("a mistake")) as tested, pytest.raises(KeyError):
        tested.test(SINGLE_STREAM, tmp_path, most_in_flight=1, accuracy=True)
