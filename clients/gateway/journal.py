# SPDX-License-Identifier: Apache-2.0
"""Where each study stands: an SQLite file that is written before anybody is told, and read after a crash.

It holds names made by ``key.Key``, states, codes and counts; nothing of a patient.
"""

import math
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any


class State(StrEnum):
    """Of a study. RECEIVING becomes READY when it is quiet, then SENDING and DONE, or REFUSED, or FAILED."""

    RECEIVING = "receiving"
    READY = "ready"
    SENDING = "sending"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


FINISHED = (State.DONE, State.REFUSED, State.FAILED)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS study (
    name TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    round INTEGER NOT NULL DEFAULT 1,     -- grows when images come after the study was taken
    attempts INTEGER NOT NULL DEFAULT 0,  -- of the analysis, in this round
    not_before REAL NOT NULL DEFAULT 0,
    code TEXT NOT NULL DEFAULT '',        -- why it was refused or failed
    updated REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS image (
    study TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (study, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS result (
    name TEXT PRIMARY KEY,
    study TEXT NOT NULL,
    refusal INTEGER NOT NULL DEFAULT 0,   -- says why the study was not analysed
    sent INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    not_before REAL NOT NULL DEFAULT 0,
    updated REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS study_state ON study (state, updated);
CREATE INDEX IF NOT EXISTS result_study ON result (study, sent);
"""


@dataclass(frozen=True)
class Claim:
    """A study that is to be analysed now."""

    name: str
    round: int
    attempts: int


@dataclass(frozen=True)
class Pending:
    """A result that is to be sent now."""

    name: str
    study: str
    attempts: int


class Journal:
    """One connection, shared by the threads of the process. Every change is on disk when its method returns."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def state(self, study: str) -> State | None:
        """None for a study never heard of."""
        row = self._row("SELECT state FROM study WHERE name = ?", study)
        return State(row[0]) if row else None

    def studies(self, *states: State, before: float = math.inf) -> list[str]:
        """Names of the studies in these states, unchanged since a time; the longest unchanged first."""
        marks = ",".join("?" * len(states))
        return [
            name
            for (name,) in self._rows(
                f"SELECT name FROM study WHERE state IN ({marks}) AND updated < ? ORDER BY updated", *states, before
            )
        ]

    def receive(self, study: str) -> None:
        """An image of the study has come that belongs to no round yet: open the study, or open it again."""
        with self._change() as db:
            db.execute(
                """INSERT INTO study (name, state, updated) VALUES (:name, :receiving, :now)
                ON CONFLICT (name) DO UPDATE
                SET state = :receiving, round = round + 1, attempts = 0, not_before = 0, updated = :now
                WHERE state != :receiving""",
                {"name": study, "receiving": State.RECEIVING, "now": time.time()},
            )

    def has_image(self, study: str, image: str) -> bool:
        """Whether the image was part of a round."""
        return self._row("SELECT 1 FROM image WHERE study = ? AND name = ?", study, image) is not None

    def close_round(self, study: str, images: Iterable[str]) -> None:
        """The study has come to rest with these images: it is ready."""
        with self._change() as db:
            db.executemany("INSERT OR IGNORE INTO image VALUES (?, ?)", ((study, image) for image in images))
            db.execute(
                "UPDATE study SET state = ?, updated = ? WHERE name = ? AND state = ?",
                (State.READY, time.time(), study, State.RECEIVING),
            )

    def claim(self, busy: Iterable[str] = ()) -> Claim | None:
        """The ready study that has waited longest, its attempt counted already: a crash counts, too.

        Parameters
        ----------
        busy
            Studies that other threads of this process work on.
        """
        with self._change() as db:
            skip = set(busy)
            rows = db.execute(
                "SELECT name, round, attempts FROM study WHERE state = ? AND not_before <= ? ORDER BY updated",
                (State.READY, time.time()),
            )
            chosen = next((row for row in rows if row[0] not in skip), None)
            if chosen is None:
                return None
            name, round_, attempts = chosen
            db.execute("UPDATE study SET attempts = attempts + 1 WHERE name = ?", (name,))
            return Claim(name, round_, attempts + 1)

    def postpone(self, claim: Claim, delay_s: float, *, count: bool) -> None:
        """Try again later; ``count`` is False where the study is not to blame."""
        with self._change() as db:
            db.execute(
                "UPDATE study SET not_before = ?, attempts = attempts - ?, updated = ? WHERE name = ? AND round = ?",
                (time.time() + delay_s, 0 if count else 1, time.time(), claim.name, claim.round),
            )

    def is_current(self, claim: Claim) -> bool:
        """Whether no image has come since the study was claimed."""
        row = self._row(
            "SELECT 1 FROM study WHERE name = ? AND round = ? AND state = ?", claim.name, claim.round, State.READY
        )
        return row is not None

    def finish(self, claim: Claim, state: State, code: str = "", reports: Iterable[str] = ()) -> None:
        """The study was refused, and these reports say so, or it has failed.

        If findings of an earlier round were sent, the study stays known for them.
        """
        now = time.time()
        with self._change() as db:
            if self._row("SELECT 1 FROM result WHERE study = ? AND NOT refusal", claim.name):
                state, reports = State.SENDING, ()
            db.executemany(
                "INSERT OR IGNORE INTO result (name, study, refusal, updated) VALUES (?, ?, 1, ?)",
                ((name, claim.name, now) for name in reports),
            )
            db.execute(
                "UPDATE study SET state = ?, code = ?, updated = ? WHERE name = ? AND round = ? AND state = ?",
                (state, code, now, claim.name, claim.round, State.READY),
            )
            self._settle(db, claim.name)

    def has_results(self, claim: Claim, results: Sequence[str]) -> list[str]:
        """The study has these results, which lie in the spool; those among them that the PACS has already."""
        now = time.time()
        with self._change() as db:
            db.executemany(
                "INSERT OR IGNORE INTO result (name, study, updated) VALUES (?, ?, ?)",
                ((name, claim.name, now) for name in results),
            )
            db.execute(
                "UPDATE study SET state = ?, code = '', updated = ? WHERE name = ? AND round = ? AND state = ?",
                (State.SENDING, now, claim.name, claim.round, State.READY),
            )
            self._settle(db, claim.name)
        return [name for name in results if self._row("SELECT 1 FROM result WHERE name = ? AND sent = 1", name)]

    def pending(self, *, due: bool = True) -> list[Pending]:
        """Results to be sent, oldest first; only those whose time has come unless ``due`` is False."""
        until = time.time() if due else float("inf")
        rows = self._rows(
            "SELECT name, study, attempts FROM result WHERE sent = 0 AND not_before <= ? ORDER BY updated", until
        )
        return [Pending(*row) for row in rows]

    def sent(self, result: Pending) -> None:
        """The PACS has the result."""
        with self._change() as db:
            db.execute("UPDATE result SET sent = 1, updated = ? WHERE name = ?", (time.time(), result.name))
            self._settle(db, result.study)

    def not_sent(self, result: Pending, delay_s: float) -> None:
        """The PACS did not take the result: try again later."""
        with self._change() as db:
            db.execute(
                "UPDATE result SET attempts = attempts + 1, not_before = ? WHERE name = ?",
                (time.time() + delay_s, result.name),
            )

    def retry_failed(self) -> int:
        """Give failed studies another chance; how many there are."""
        with self._change() as db:
            return db.execute(
                "UPDATE study SET state = ?, attempts = 0, not_before = 0, code = '', updated = ? WHERE state = ?",
                (State.READY, time.time(), State.FAILED),
            ).rowcount

    def forget(self, before: float) -> int:
        """Drop what is known of studies that were finished before a time; how many there were."""
        with self._change() as db:
            old = [(name,) for name in self.studies(*FINISHED, before=before)]
            for table, column in (("image", "study"), ("result", "study"), ("study", "name")):
                db.executemany(f"DELETE FROM {table} WHERE {column} = ?", old)
            return len(old)

    def _settle(self, db: sqlite3.Connection, study: str) -> None:
        """A study whose results are all sent is done."""
        db.execute(
            "UPDATE study SET state = ?, updated = ? WHERE name = ? AND state = ? "
            "AND NOT EXISTS (SELECT 1 FROM result WHERE study = ? AND sent = 0)",
            (State.DONE, time.time(), study, State.SENDING, study),
        )

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _row(self, query: str, *values: object) -> tuple[Any, ...] | None:
        with self._lock:
            row: tuple[Any, ...] | None = self._db.execute(query, values).fetchone()
            return row

    def _rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._db.execute(query, values).fetchall()
