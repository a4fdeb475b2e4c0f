# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest

from benchmarks import tax
from benchmarks.check import SCORE_WITHIN, Check
from benchmarks.closed_loop import Loop
from benchmarks.result import Result
from benchmarks.tax import IN_PROCESS
from benchmarks.timing import parts, ratio_interval


def test_answers_further_off_than_allowed_are_counted() -> None:
    check = Check([0.1, 0.9])
    check.scores([0.1, 0.9])
    check.scores([0.1, 0.9 + SCORE_WITHIN / 2])
    assert (check.answers, check.mistaken) == (2, 0)
    check.scores([0.1 - 2 * SCORE_WITHIN, 0.9])
    check.scores([0.1])
    assert (check.answers, check.mistaken) == (4, 2)
    assert math.isinf(check.largest)


def test_medians_of_consecutive_parts() -> None:
    assert parts([1, 2, 3, 10, 20, 30, 5, 5, 5]) == [[1, 2, 3], [10, 20, 30], [5, 5, 5]]
    assert parts([4.0, 6.0]) == [[4.0], [6.0]]


def test_interval_of_a_ratio_holds_the_true_one() -> None:
    rng = np.random.default_rng(3)
    under = rng.normal(100, 5, 60)
    low, high = ratio_interval(list(1.2 * rng.normal(100, 5, 60)), list(under))
    assert low < 1.2 < high and high - low < 0.1
    low, high = ratio_interval(list(1.2 * under), list(under))
    assert low == pytest.approx(1.2) and high == pytest.approx(1.2)


def test_a_slow_second_of_the_machine_does_not_choose_the_callers() -> None:
    """Three callers are a little better than four; the machine is half as fast during any one of the loops."""
    for slow in range(2 * tax.TRIALS):
        tried: list[int] = []

        def loop(callers: int, seconds: float, tried: list[int] = tried, slow: int = slow) -> Loop:
            tried.append(callers)
            per_s = {3: 5.5, 4: 5.0}[callers] / (2 if len(tried) - 1 == slow else 1)
            return Loop(callers, 1.0, [1.0], [1e3 / per_s])

        assert tax.fastest({"crop": loop}, {"crop": (3, 4)}, 1.0) == {"crop": 3}
        assert tried == [3, 4, 4, 3, 3, 4]


def test_processor_time_is_that_of_the_loops_that_count() -> None:
    found = tax._core_ms([{"client": 0.1, "spine_patches": 0.3}, {"client": 0.3}], [4, 4])
    assert found == pytest.approx({"client": 50.0, "spine_patches": 37.5})


def test_ratios_stand_in_the_targets_and_on_the_page(tmp_path) -> None:
    result = Result("tax", {"slices": 300})
    times = {IN_PROCESS: [200.0] * 9, "crop": [220.0] * 9, "shm": [230.0] * 9}
    loops = {way: [Loop(2, 1.0, [0.5, 1.0], [500.0] * 2)] * 3 for way in times}
    loops["shm"] = [Loop(3, 1.0, [1.0], [1000.0])] * 3
    for way in times:
        tax._latency(result, way, times[way], times[IN_PROCESS], 3)
        tax._throughput(result, way, loops[way], loops[IN_PROCESS])
    rates = {way: [loop.per_s for loop in rounds] for way, rounds in loops.items()}
    result.figures["core_ms"] = {
        IN_PROCESS: {IN_PROCESS: 380.0},
        "crop": {"client": 50.0, "spine_patches": 72.25},
        "shm": {},
    }
    result.sections = tax._sections(result, times, rates)
    values = {target.name: (round(target.value, 6), target.met) for target in result.targets}
    assert values == {
        "serving tax, p50 crop over in one process": (1.1, True),
        "serving tax, p50 shm over in one process": (1.15, False),
        "throughput at saturation, crop over in one process": (1.0, True),
        "throughput at saturation, shm over in one process": (0.5, False),
    }
    page = result.write(tmp_path / "tax.json").with_suffix(".html").read_text()
    assert page.count("<svg") == 2 and "1.150–1.150" in page
    assert "spine_patches" in page and "122.2" in page  # the sum of the client's and the server's processes
