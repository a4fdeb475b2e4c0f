# SPDX-License-Identifier: Apache-2.0
"""Growth of memory that is written down by hand; the soak itself takes hours."""

import pytest

from vcf_benchmarks.drills.soak import MOST_GROWTH, Samples, _lines

MIB = 1 << 20


def samples(grows: float) -> Samples:
    """A hundred looks, one a minute; the server has 100 MiB after ten minutes and grows evenly from there."""
    made = Samples()
    for minute in range(100):
        beyond = max(0, minute - 10) / 89
        nbytes = int(100 * MIB * (1 + grows * beyond)) if minute >= 10 else minute * MIB
        made.add(60.0 * minute, {"tritonserver": nbytes, "client": 50 * MIB})
    return made


@pytest.mark.parametrize("grows", [0.0, 0.1, -0.2])
def test_growth_is_that_after_the_settling(grows: float) -> None:
    before, after = samples(grows).growth(600.0)["tritonserver"]
    assert before == pytest.approx(100 * MIB * (1 + grows * 4 / 89), rel=1e-3), "the mean of nine looks"
    assert after == pytest.approx(100 * MIB * (1 + grows * 85 / 89), rel=1e-3)
    assert samples(grows).growth(600.0)["client"] == (50 * MIB, 50 * MIB)


def test_a_run_that_ended_before_it_settled_tells_nothing() -> None:
    assert samples(0.1).growth(10**6) == {}


@pytest.mark.parametrize(("after", "met"), [(101, True), (104, False)])
def test_a_process_that_grows_misses_its_goal(after: int, met: bool) -> None:
    (line,) = _lines({"client": (100 * MIB, after * MIB)}, 3600.0, 600.0)
    assert line.value == after - 100 and line.goal == 100 * MOST_GROWTH and line.met is met
    assert line.what == f"client: growth between minute 10 and 60 (100 to {after} MiB)"


def test_memory_that_was_nothing_has_no_growth() -> None:
    (line,) = _lines({"shared": (0.0, 5.0 * MIB)}, 3600.0, 600.0)
    assert line.value == 0.0 and line.met
