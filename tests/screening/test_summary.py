# SPDX-License-Identifier: Apache-2.0
"""The page says what the rows say."""

from pathlib import Path

import pytest

from tests.screening.test_compare import NEW, OLD, row
from vcf_contract.errors import SetupError
from vcf_screening import rows, summary
from vcf_screening.dataset import STUDIES, Dataset


def filled(folder: Path, scores: list[float | None], kernel: str = "B30f", weights: str = OLD) -> Path:
    with Dataset(folder / STUDIES) as dataset:
        for number, score in enumerate(scores):
            at = f"2026-05-01T22:{number % 60:02}:00+00:00"
            extra = {"kernel": kernel, "scanner": "S", "manufacturer": "M", "thickness_mm": 1.0, "read_ms": 30.0}
            dataset.add([{**row(number, weights, score), **extra, "server_ms": 10.0, "screened_at": at}])
    return folder


def test_counts_histogram_and_times(tmp_path: Path) -> None:
    found = summary.gather(filled(tmp_path, [0.12, 0.13, 0.74, 0.999, 1.0, None]))
    assert (found.total, found.states[rows.ANALYSED], found.positive) == (6, 5, 3)
    assert found.codes == {"SPINE_NOT_FOUND": 1} and found.hours == {"2026-05-01 22": 6}
    assert dict(found.bins) == {2: 2, 14: 1, 19: 2}
    assert found.time_ms["read_ms"] == 180 and found.busy_s == 300


def test_the_page_of_the_latest_weights_with_its_drift(tmp_path: Path) -> None:
    reference = filled(tmp_path / "reference", [0.1, 0.2, 0.3, 0.4] * 5)
    now = filled(tmp_path / "now", [0.6, 0.7, 0.8, None] * 5, kernel="<B70f>", weights=NEW)
    with Dataset(now / "failed") as failed:
        failed.add([rows.answered_without_score("f" * 32, rows.FAILED, NEW, "ARCHIVE", "HTTP status 500")])
    (now / "pictures").mkdir()
    best = f"{2:032x}"
    (now / "pictures" / f"{best}-{NEW[:8]}.png").write_bytes(b"\x89PNG picture")
    text = summary.write(now, reference).read_text("utf-8")
    assert "20 studies" in text and "SPINE_NOT_FOUND" in text and "ARCHIVE" in text
    assert "&lt;B70f&gt;" in text and "<B70f>" not in text
    assert "another population" in text and "scored by other weights" in text
    assert text.count("data:image/png;base64,iVBORw") == 0 and text.count("data:image/png") == 1
    assert "75.0 %" in text and "not for clinical use" in text


def test_nothing_yet_is_said(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="no row"):
        summary.write(tmp_path)
