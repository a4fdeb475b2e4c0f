# SPDX-License-Identifier: Apache-2.0
"""One study, in this process, with made-up findings: what comes of it, and that nothing of it is said."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients.ct_series import CtSeries
from tests.clients.gateway.dicomweb import DicomWeb
from tests.clients.gateway.fake_analyzer import FakeAnalyzer
from vcf_contract.errors import Code, DeadlineExceeded, ServerFailed, ServerUnavailable, StudyRefused
from vcf_screening import work
from vcf_screening.manifest import Entry
from vcf_screening.work import Settings, screen_study

SETTINGS = Settings(("none:1",), b"secret", model_hash="ab" * 32, pictures="all")


@pytest.fixture
def analyzer(monkeypatch: pytest.MonkeyPatch) -> FakeAnalyzer:
    analyzer = FakeAnalyzer()
    monkeypatch.setattr(work, "_client", lambda settings: analyzer)
    monkeypatch.setattr(work, "keep_large_blocks", lambda: True)
    return analyzer


def test_a_folder_and_a_service_give_the_same_row(analyzer: FakeAnalyzer, tmp_path: Path) -> None:
    series = CtSeries()
    series.write(tmp_path / "ct")
    with DicomWeb(series.images()) as service:
        places = (
            Entry("a", str(tmp_path / "ct")),
            Entry("b", f"{tmp_path}/ct/*"),
            Entry("c", f"{service.url}/studies/{series.study_uid}", series.slices),
        )
        results = [screen_study(entry.id, entry, SETTINGS) for entry in places]
    found = [
        {name: result.row[name] for name in ("score", "series", "flags", "patches")} for result in results if result.row
    ]
    assert len(found) == 3 and found[0] == found[1] == found[2]
    assert all(result.picture and result.picture.startswith(b"\x89PNG") for result in results)
    assert results[2].row and results[2].row["fetch_ms"] > 0


def test_pictures_of_what_is_positive_alone(analyzer: FakeAnalyzer, tmp_path: Path) -> None:
    from dataclasses import replace

    CtSeries().write(tmp_path)
    entry = Entry("a", str(tmp_path))
    result = screen_study("a", entry, replace(SETTINGS, pictures="positive"))
    assert result.row and bool(result.picture) == result.row["positive"]
    assert screen_study("a", entry, replace(SETTINGS, pictures="none")).picture is None


def test_a_refusal_is_a_row(analyzer: FakeAnalyzer, tmp_path: Path) -> None:
    CtSeries(slices=6).write(tmp_path)
    result = screen_study("a", Entry("a", str(tmp_path)), SETTINGS)
    assert result.row and (result.row["state"], result.row["code"]) == ("refused", Code.TOO_SHORT)


@pytest.mark.parametrize(
    ("error", "code", "unreachable"),
    [
        (ServerUnavailable("no server answers"), "SERVER_UNAVAILABLE", True),
        (DeadlineExceeded("late"), "DEADLINE_EXCEEDED", False),
        (ServerFailed("broken"), "SERVER_FAILED", False),
        (RuntimeError("Müller^Jörg 19500102"), "UNEXPECTED", False),
    ],
)
def test_what_may_pass_is_a_failure_that_says_nothing_of_the_study(
    analyzer: FakeAnalyzer, tmp_path: Path, error: Exception, code: str, unreachable: bool
) -> None:
    CtSeries().write(tmp_path)
    analyzer.error = error
    failure = screen_study("a", Entry("a", str(tmp_path)), SETTINGS).failure
    assert failure and (failure.code, failure.unreachable, failure.is_refusal) == (code, unreachable, False)
    assert "Müller" not in repr(failure) and str(tmp_path) not in repr(failure)


def gone(folder: Path) -> Entry:
    return Entry("a", str(folder / "gone"))


def gone_files(folder: Path) -> Entry:
    return Entry("a", f"{folder}/gone/*")


@pytest.mark.parametrize("entry", [gone, gone_files])
def test_what_is_not_there_may_be_there_again(
    analyzer: FakeAnalyzer, tmp_path: Path, entry: Callable[[Path], Entry]
) -> None:
    failure = screen_study("a", entry(tmp_path), SETTINGS).failure
    assert failure and failure.code == "NOT_THERE" and str(tmp_path) not in repr(failure)


def test_other_weights_are_not_taken(analyzer: FakeAnalyzer, tmp_path: Path) -> None:
    from dataclasses import replace

    CtSeries().write(tmp_path)
    failure = screen_study("a", Entry("a", str(tmp_path)), replace(SETTINGS, model_hash="cd" * 32)).failure
    assert failure and failure.code == "OTHER_WEIGHTS"


def test_a_server_that_refuses(analyzer: FakeAnalyzer, tmp_path: Path) -> None:
    CtSeries().write(tmp_path)
    analyzer.error = StudyRefused(Code.SPINE_NOT_FOUND, "no spine was found")
    result = screen_study("a", Entry("a", str(tmp_path)), SETTINGS)
    assert result.row and result.row["code"] == Code.SPINE_NOT_FOUND


def test_secrets_are_in_no_representation() -> None:
    assert "secret" not in repr(SETTINGS).replace("secret=", "") and "/nowhere" not in repr(Entry("1.2", "/nowhere"))
