# SPDX-License-Identifier: Apache-2.0
"""The run with made-up studies, on a real cluster of this machine."""

import os
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from vcf_client.gateway.backoff import Backoff
from vcf_screening import rows
from vcf_screening.archive import Archive, chosen, to_do
from vcf_screening.dataset import Dataset
from vcf_screening.failures import Failure
from vcf_screening.manifest import Entry
from vcf_screening.run import Plan, Progress, Run
from vcf_screening.window import Window
from vcf_screening.work import Result, Settings

pytestmark = pytest.mark.usefixtures("ray_here")
QUICK = Backoff(0.01, 0.05)


def go(
    folder: Path, entries: list[Entry], screen: Callable[..., Result], plan: Plan | None = None, **options: Any
) -> tuple[Progress, pd.DataFrame, pd.DataFrame]:
    """Run once; progress, rows, and what was given up."""
    archive = Archive(folder)
    from vcf_screening import manifest

    manifest.write(entries, archive.manifest)
    names = archive.write_ids(archive.manifest)
    with Dataset(archive.studies) as dataset, Dataset(archive.failed) as failed:
        failed.clear()
        wanted = to_do(names, dataset.done("m1"))
        settings = Settings(("none:1",), archive.secret, model_hash="m1")
        run = Run(
            dataset,
            failed,
            settings,
            plan or Plan(max_attempts=3, backoff=QUICK),
            Progress(len(entries), int((~wanted).sum())),
            screen=screen,
            **options,
        )
        progress = run.go(chosen(manifest.read(archive.manifest), names, wanted))
    return progress, _frame(archive.studies), _frame(archive.failed)


def _frame(folder: Path) -> pd.DataFrame:
    parts = list(folder.glob("*.parquet"))
    return pd.read_parquet(parts) if parts else pd.DataFrame(columns=rows.SCHEMA.names)


def entries(count: int) -> list[Entry]:
    return [Entry(f"1.2.{number}", f"/nowhere/{number}") for number in range(count)]


def refused(study: str, settings: Settings) -> Result:
    return Result(rows.answered_without_score(study, rows.REFUSED, settings.model_hash, "NOT_CT", "no CT"))


def test_each_study_once_and_not_again(tmp_path: Path) -> None:
    def screen(study: str, entry: Entry, settings: Settings, turns: Any) -> Result:
        with Path(entry.location).open("a") as note:
            note.write("x")
        return refused(study, settings)

    studies = [Entry(f"1.2.{number}", str(tmp_path / f"note{number}")) for number in range(40)]
    progress, frame, failed = go(tmp_path / "out", [*studies, *studies[:7]], screen)
    assert progress.answered == 40 and len(failed) == 0
    assert Counter(frame["study"]).most_common(1)[0][1] == 1 and len(frame) == 40
    assert set(frame["attempts"]) == {1}
    progress, frame, _ = go(tmp_path / "out", [*studies, Entry("1.2.40", str(tmp_path / "note40"))], screen)
    assert (progress.answered, len(frame)) == (1, 41)
    assert {path.read_text() for path in tmp_path.glob("note*")} == {"x"}


def test_what_passes_is_tried_again_what_stays_is_given_up_for_this_run(tmp_path: Path) -> None:
    def screen(study: str, entry: Entry, settings: Settings, turns: Any) -> Result:
        kind = int(entry.id.rpartition(".")[2]) % 3
        with Path(entry.location).open("a") as note:
            note.write("x")
            note.flush()
            tried = note.tell()
        if kind == 0 or (kind == 1 and tried == 3):
            return refused(study, settings)
        if kind == 2 and entry.id == "1.2.5":
            return Result(failure=Failure("INCOMPLETE", "1 image could not be had", is_refusal=True))
        return Result(failure=Failure("ARCHIVE", "HTTP status 500"))

    studies = [Entry(f"1.2.{number}", str(tmp_path / f"note{number}")) for number in range(9)]
    progress, frame, failed = go(tmp_path / "out", studies, screen)
    assert (progress.answered, progress.failed) == (7, 2)
    assert sorted(frame["attempts"]) == [1, 1, 1, 3, 3, 3, 3]
    assert sorted(frame["code"]) == ["INCOMPLETE", *["NOT_CT"] * 6]
    assert list(failed["code"]) == ["ARCHIVE", "ARCHIVE"] and set(failed["state"]) == {"failed"}
    progress, frame, failed = go(tmp_path / "out", studies, screen)
    assert (progress.before, progress.failed, len(frame), len(failed)) == (7, 2, 7, 2)


@pytest.mark.slow
def test_a_server_that_is_away_costs_no_study_its_attempts(tmp_path: Path) -> None:
    """All fail, more often than a study may, until the server is back; what waits does not pile up."""
    away = tmp_path / "away"
    away.touch()

    def screen(study: str, entry: Entry, settings: Settings, turns: Any) -> Result:
        if away.exists():
            with away.open("a") as file:
                file.write("x")
            if away.stat().st_size > 150:
                away.unlink(missing_ok=True)
            return Result(failure=Failure("SERVER_UNAVAILABLE", "no server answers", unreachable=True))
        return refused(study, settings)

    waiting = []
    progress, frame, failed = go(
        tmp_path / "out", entries(60), screen, tell=lambda progress: waiting.append(progress.waiting)
    )
    assert (progress.answered, len(frame), len(failed)) == (60, 60, 0)
    assert max(waiting) <= 32


@pytest.mark.slow
def test_a_study_that_ends_its_worker_is_given_up_and_costs_no_other(tmp_path: Path) -> None:
    def screen(study: str, entry: Entry, settings: Settings, turns: Any) -> Result:
        if entry.id == "1.2.3":
            os.kill(os.getpid(), 9)
        return refused(study, settings)

    progress, frame, failed = go(tmp_path / "out", entries(12), screen)
    assert (progress.answered, len(frame)) == (11, 11)
    assert list(failed["code"]) == ["WORKER_LOST"] and list(failed["attempts"]) == [3]


def test_nothing_begins_outside_the_window(tmp_path: Path) -> None:
    """It opens in one to two minutes; until then nothing has begun."""
    opens = datetime.now() + timedelta(minutes=2)
    window = Window.parse(f"{opens:%H:%M}-{opens + timedelta(hours=2):%H:%M}")
    seen: list[tuple[float, int]] = []

    class Enough(Exception):
        pass

    def tell(progress: Progress) -> None:
        seen.append((progress.closed_s, progress.answered))
        if len(seen) > 2:
            raise Enough

    def screen(study: str, entry: Entry, settings: Settings, turns: Any) -> Result:
        return refused(study, settings)

    with pytest.raises(Enough):
        go(tmp_path / "out", entries(3), screen, Plan(window=window), tell=tell)
    closed = [answered for closed_s, answered in seen if closed_s]
    assert closed and set(closed) == {0}


@pytest.mark.slow
def test_pictures_are_kept_before_their_rows(tmp_path: Path) -> None:
    pictures: dict[str, bytes] = {}

    def screen(study: str, entry: Entry, settings: Settings, turns: Any) -> Result:
        return Result(refused(study, settings).row, picture=b"PNG")

    _, frame, _ = go(tmp_path / "out", entries(4), screen, keep_picture=pictures.__setitem__)
    assert set(pictures) == set(frame["study"]) and set(pictures.values()) == {b"PNG"}
