# SPDX-License-Identifier: Apache-2.0
from datetime import datetime, timedelta

import pytest

from vcf_screening.window import Window


@pytest.mark.parametrize("text", ["20:00-06:00", "08:15-17:45", "00:00-12:00"])
def test_against_a_walk_through_the_day(text: str) -> None:
    """The next minute inside, found by looking at each."""
    window = Window.parse(text)
    first, last = text.split("-")

    def inside(now: datetime) -> bool:
        clock = now.strftime("%H:%M")
        return first <= clock < last if first < last else not last <= clock < first

    day = datetime(2026, 3, 1)
    for minutes in range(0, 1440, 7):
        now = day + timedelta(minutes=minutes)
        expected = next(ahead for ahead in range(1441) if inside(now + timedelta(minutes=ahead)))
        assert window.wait_s(now) == 60 * expected


def test_hours_a_day() -> None:
    assert Window.parse("20:00-06:00").hours_a_day == 10
    assert Window.parse("08:15-17:45").hours_a_day == 9.5


@pytest.mark.parametrize("text", ["20-6", "25:00-06:00", "20:00-20:00", "20:00–06:00", ""])
def test_what_is_no_window(text: str) -> None:
    with pytest.raises(ValueError, match="20:00-06:00"):
        Window.parse(text)
