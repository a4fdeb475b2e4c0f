# SPDX-License-Identifier: Apache-2.0
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("ray")
from vcf_screening import rate
from vcf_screening.rate import Rate, described, in_words


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(rate.time, "monotonic", lambda: now[0])
    return now


def test_the_rate_is_that_of_the_last_minutes(clock: list[float]) -> None:
    found = Rate()
    for second in range(0, 3000, 10):
        clock[0] = float(second)
        found.note(second if second < 1000 else 1000 + 3 * (second - 1000))
    assert found.per_s == pytest.approx(3.0), "the first, slow minutes are forgotten"


def test_it_is_not_known_from_one_look(clock: list[float]) -> None:
    found = Rate()
    assert found.per_s == 0
    found.note(5)
    assert found.per_s == 0
    found.note(9)
    assert found.per_s == 0, "both at the same moment"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (89, "89 s"), (90, "2 min"), (5399, "90 min"), (5400, "1.5 h"), (86400, "24.0 h")],
)
def test_lengths_of_time(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


def progress(**changes: Any) -> Any:
    usual = {"total": 100, "before": 10, "answered": 40, "failed": 2, "positive": 5, "refused": 3, "waiting": 0}
    return SimpleNamespace(**(usual | {"closed_s": None} | changes))


def test_what_is_left_is_what_nobody_has_answered(clock: list[float]) -> None:
    found = Rate()
    found.note(0)
    clock[0] = 10.0
    found.note(40)
    assert described(progress(), found) == "4.00 a second, 12 s left, 5 positive, 3 refused, 2 failed"
    said = described(progress(waiting=7, closed_s=120.0), found)
    assert said.endswith("7 wait for another attempt, the window opens in 2 min")
    assert "left" not in described(progress(), Rate())
