# SPDX-License-Identifier: Apache-2.0
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from vcf_contract.errors import SetupError
from vcf_screening import rows
from vcf_screening.dataset import STUDIES, Dataset
from vcf_screening.estimate import estimate, measured_rate
from vcf_screening.window import Window


def screened(folder: Path, seconds: list[float]) -> Path:
    start = datetime(2026, 5, 1, tzinfo=UTC)
    with Dataset(folder / STUDIES) as dataset:
        for number, after_s in enumerate(seconds):
            row = rows.answered_without_score(f"{number:032x}", rows.REFUSED, "m1", "NOT_CT", "no CT")
            dataset.add([{**row, "screened_at": (start + timedelta(seconds=after_s)).isoformat()}])
    return folder


def test_pauses_are_no_part_of_the_rate(tmp_path: Path) -> None:
    """Two nights of one study in two seconds, with a day between them."""
    nights = [*(2.0 * n for n in range(40)), *(86_400 + 2.0 * n for n in range(40))]
    assert measured_rate(screened(tmp_path, nights)) == pytest.approx(0.5)


@pytest.mark.parametrize("seconds", [[], [1.0, 2.0], [5.0] * 20])
def test_too_little_to_tell_is_said(tmp_path: Path, seconds: list[float]) -> None:
    with pytest.raises(SetupError):
        measured_rate(screened(tmp_path, seconds))


def test_hours_days_and_cost() -> None:
    found = estimate(200_000, 0.5, 2, Window.parse("20:00-06:00"), 1.5)
    assert found.hours == pytest.approx(200_000 / 3600)
    assert found.days == pytest.approx(found.hours / 10) and found.cost == pytest.approx(3 * found.hours)
