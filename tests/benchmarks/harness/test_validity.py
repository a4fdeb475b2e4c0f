# SPDX-License-Identifier: Apache-2.0
import os
import time

import numpy as np
import pytest

from vcf_benchmarks.harness import validity
from vcf_benchmarks.harness.validity import Ticks


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


def counters(*readings: Ticks):
    """Readings of the machine's counters, one after the other."""
    coming = iter(readings)
    return lambda pids: next(coming)


BEFORE = Ticks(total_s=100.0, idle_s=50.0, stolen_s=2.0, ours_s=20.0)


@pytest.mark.parametrize(
    ("after", "foreign", "stolen", "rules"),
    [
        # Ten seconds of two cores: all idle; all ours; half a stranger's; a tenth withheld.
        (Ticks(120.0, 70.0, 2.0, 20.0), 0.0, 0.0, []),
        (Ticks(120.0, 50.0, 2.0, 40.0), 0.0, 0.0, []),
        (Ticks(120.0, 50.0, 2.0, 30.0), 0.5, 0.0, ["other processes used 50%"]),
        (Ticks(120.0, 50.0, 4.0, 38.0), 0.0, 0.1, ["the hypervisor withheld 10%"]),
        # The counters of processes are coarser than those of the machine.
        (Ticks(120.0, 50.0, 2.0, 40.02), 0.0, 0.0, []),
        (BEFORE, 0.0, 0.0, []),
    ],
)
def test_a_stranger_on_the_processor_is_seen_and_our_own_work_is_not(after, foreign, stolen, rules) -> None:
    with validity.watched(1, read=counters(BEFORE, after)) as watch:
        pass
    assert (watch.foreign_share, watch.stolen_share) == (pytest.approx(foreign), pytest.approx(stolen))
    assert [rule[: len(start)] for rule, start in zip(watch.broken, rules, strict=True)] == rules


def test_the_counters_of_this_machine_grow_with_our_own_work() -> None:
    before, until_s = validity.ticks([os.getpid()]), time.process_time() + 0.1
    while time.process_time() < until_s:
        pass
    after = validity.ticks([os.getpid()])
    assert after.ours_s - before.ours_s >= 0.08  # the kernel counts in hundredths
    assert after.total_s >= before.total_s and after.idle_s <= after.total_s


def test_failed_calls_are_counted_by_code() -> None:
    assert validity.failed(5, []) is None
    assert validity.failed(5, ["OVERLOADED", "FAILED", "OVERLOADED"]) == (
        "3 of 5 calls failed: 1 × FAILED, 2 × OVERLOADED"
    )


def test_a_generator_needs_time_to_spare() -> None:
    assert validity.saturated(0.1) is None
    assert "80%" in (validity.saturated(0.8) or "")
