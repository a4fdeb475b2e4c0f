# SPDX-License-Identifier: Apache-2.0
import pytest

from vcf_benchmarks.harness.closed_loop import Loop
from vcf_benchmarks.overhead.measure import TRIALS, core_ms_of, fastest


def test_a_slow_second_of_the_machine_does_not_choose_the_callers() -> None:
    """Three callers are a little better than four; the machine is half as fast during any one of the loops."""
    for slow in range(2 * TRIALS):
        tried: list[int] = []

        def loop(callers: int, seconds: float, tried: list[int] = tried, slow: int = slow) -> Loop:
            tried.append(callers)
            per_s = {3: 5.5, 4: 5.0}[callers] / (2 if len(tried) - 1 == slow else 1)
            return Loop(callers, 1.0, [1.0], [1e3 / per_s])

        assert fastest({"crop": loop}, {"crop": (3, 4)}, 1.0) == {"crop": 3}
        assert tried == [3, 4, 4, 3, 3, 4]


def test_processor_time_is_that_of_the_loops_that_count() -> None:
    found = core_ms_of([{"client": 0.1, "spine_patches": 0.3}, {"client": 0.3}], [4, 4])
    assert found == pytest.approx({"client": 50.0, "spine_patches": 37.5})
