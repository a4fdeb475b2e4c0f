# SPDX-License-Identifier: Apache-2.0
import os
import subprocess
import sys
import time

import numpy as np
import pytest

from benchmarks import validity


def test_windows_within_a_tenth_are_stable() -> None:
    assert validity.unstable([100, 105, 109.9], "p50") is None
    broken = validity.unstable([100, 105, 111], "p50")
    assert broken and "11%" in broken


def test_medians_that_differ_by_chance_alone_are_stable() -> None:
    noisy = np.random.default_rng(0).lognormal(0.0, 0.5, (3, 12))
    medians = np.median(noisy, axis=1)
    assert medians.max() / medians.min() > 1.1
    assert validity.unstable_medians(noisy.tolist(), "p50") is None
    assert "p50 is unstable" in (validity.unstable_medians([*noisy[:2], 3 * noisy[2]], "p50") or "")


def test_a_few_values_excuse_nothing() -> None:
    assert validity.unstable_medians([[1.0, 2.0, 3.0], [1.0, 2.5, 3.0], [1.0, 2.0, 3.0]], "p50")


def test_lag_counts_from_a_share_of_the_latency() -> None:
    assert validity.lagging([1.9] * 100, 10) is None
    assert validity.lagging([9.0] * 100, 500) is None
    assert "9.0 ms" in (validity.lagging([9.0] * 100, 100) or "")


def test_one_wrong_answer_is_enough() -> None:
    assert validity.wrong(10, 0) is None
    assert validity.wrong(10, 1)


@pytest.mark.slow
def test_a_stranger_on_the_processor_is_seen_and_our_own_work_is_not() -> None:
    burn = "import time\nt = time.time()\nwhile time.time() - t < 8: pass"
    processes = [subprocess.Popen([sys.executable, "-c", burn]) for _ in os.sched_getaffinity(0)]
    try:
        time.sleep(0.3)
        with validity.watched() as strangers:
            time.sleep(2)
        with validity.watched(*(p.pid for p in processes)) as ours:
            time.sleep(2)
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert strangers.foreign_share > 0.5 and "other processes" in strangers.broken[0]
    # Beside other work the processes get less than all of the processor, but never none.
    assert ours.foreign_share < strangers.foreign_share - 0.2


def test_failed_calls_are_counted_by_code() -> None:
    assert validity.failed(5, []) is None
    assert validity.failed(5, ["OVERLOADED", "FAILED", "OVERLOADED"]) == (
        "3 of 5 calls failed: 1 × FAILED, 2 × OVERLOADED"
    )


def test_a_generator_needs_time_to_spare() -> None:
    assert validity.saturated(0.1) is None
    assert "80%" in (validity.saturated(0.8) or "")
