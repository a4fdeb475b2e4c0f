# SPDX-License-Identifier: Apache-2.0
import pytest

from vcf_benchmarks.looks import screening
from vcf_benchmarks.screening.bookkeeping import figures_of


def line(s: float, answered: int, mib: float) -> dict[str, float]:
    return {"s": s, "core_s": s / 2, "answered": answered, "rss": mib * 2**20}


def test_figures_by_hand_and_their_table() -> None:
    """Ray takes four seconds to start, then a hundred studies a second; memory grows by a tenth."""
    whole = [line(1, 0, 90), *(line(5 + n, 1 + 100 * n, 100 + n) for n in range(10)), line(15, 1000, 110)]
    again = [line(2, 0, 90), line(6, 5, 100), line(8, 250, 100)]
    found = figures_of(1000, whole, again)
    assert found["overhead_ms"] == pytest.approx(10) and found["driver_core_ms"] == pytest.approx(5)
    assert (found["start_s"], found["listed_s"], found["resumption_s"]) == (5, 2, 6)
    assert found["memory_growth"] == pytest.approx(109.5 / 101)
    assert found["answered_after_resumption"] == 250
    text = "\n".join(screening.table({"bookkeeping": found}))
    assert "10.00 ms  goal ≤ 5" in text and "goal ≤ 30" in text
