# SPDX-License-Identifier: Apache-2.0
"""Tell where each study stands: an SQLite file that is written before anybody is told, and read after a crash.

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
    """The state of a study. RECEIVING becomes READY when it is quiet, then SENDING and DONE, or REFUSED, or FAILED."""

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
    updated REAL NOT NULL,
    missing INTEGER NOT NULL DEFAULT 0,   -- images that exist and are not here
    closed REAL NOT NULL DEFAULT 0,       -- when its last round was
    urgent INTEGER NOT NULL DEFAULT 0     -- goes before all that are not
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS fetch (        -- studies of which we fetch images; none of them is ready
    study TEXT PRIMARY KEY
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
    updated REAL NOT NULL,
    reason TEXT NOT NULL DEFAULT ''       -- why the PACS did not take it the last time
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS study_state ON study (state, updated);
CREATE INDEX IF NOT EXISTS result_study ON result (study, sent);
"""

_ADDED = (
    ("study", "missing", "INTEGER NOT NULL DEFAULT 0"),
    ("study", "closed", "REAL NOT NULL DEFAULT 0"),
    ("study", "urgent", "INTEGER NOT NULL DEFAULT 0"),
    ("result", "reason", "TEXT NOT NULL DEFAULT ''"),
)
"""Columns that a journal of an older version lacks."""


@dataclass(frozen=True)
class Claim:
    """A study that is to be analysed now, or refused for the images that are missing."""

    name: str
    round: int
    attempts: int
    missing: int = 0
    urgent: bool = False


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
        for table, column, kind in _ADDED:
            if column not in {row[1] for row in self._db.execute(f"PRAGMA table_info({table})")}:
                self._db.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")

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

    def round_of(self, study: str) -> int:
        """Tell how often a study has been received, 1 for the first time; 0 for a study never heard of."""
        row = self._row("SELECT round FROM study WHERE name = ?", study)
        return int(row[0]) if row else 0

    def receive(self, study: str) -> list[str]:
        """An image of the study has come that belongs to no round yet: open the study, or open it again.

        Returns the results that this makes void, as the PACS does not have them yet.
        """
        with self._change() as db:
            return self._open(db, study)

    def begin_fetch(self, study: str) -> list[str]:
        """Images of the study are to be fetched: open it as `receive` does, and keep it open until `end_fetch`."""
        with self._change() as db:
            db.execute("INSERT OR IGNORE INTO fetch VALUES (?)", (study,))
            return self._open(db, study)

    def end_fetch(self, study: str) -> None:
        """The study has what was to be fetched, or will not get it."""
        with self._change() as db:
            db.execute("DELETE FROM fetch WHERE study = ?", (study,))

    def cancel_fetch(self, study: str) -> None:
        """Nothing of the study has come: it is as if it had never been found, unless it was known before."""
        with self._change() as db:
            db.execute("DELETE FROM fetch WHERE study = ?", (study,))
            if self.images(study):
                self._close(db, study, 1)
            else:
                db.execute("DELETE FROM study WHERE name = ? AND state = ?", (study, State.RECEIVING))

    def fetches(self) -> set[str]:
        """Studies between `begin_fetch` and `end_fetch`."""
        return {study for (study,) in self._rows("SELECT study FROM fetch")}

    def _open(self, db: sqlite3.Connection, study: str) -> list[str]:
        row = self._row("SELECT state FROM study WHERE name = ?", study)
        if row and row[0] == State.RECEIVING:
            return []
        db.execute(
            """INSERT INTO study (name, state, updated) VALUES (:name, :receiving, :now)
            ON CONFLICT (name) DO UPDATE
            SET state = :receiving, round = round + 1, attempts = 0, not_before = 0, missing = 0, updated = :now""",
            {"name": study, "receiving": State.RECEIVING, "now": time.time()},
        )
        void = [name for (name,) in self._rows("SELECT name FROM result WHERE study = ? AND sent = 0", study)]
        db.executemany("DELETE FROM result WHERE name = ?", ((name,) for name in void))
        return void

    def has_image(self, study: str, image: str) -> bool:
        """Tell whether the image was part of a round."""
        return self._row("SELECT 1 FROM image WHERE study = ? AND name = ?", study, image) is not None

    def images(self, study: str) -> set[str]:
        """Images that were part of a round."""
        return {name for (name,) in self._rows("SELECT name FROM image WHERE study = ?", study)}

    def close_round(self, study: str, images: Iterable[str], missing: int = 0, *, urgent: bool = False) -> None:
        """The study has come to rest with these images: it is ready, or short of some."""
        with self._change() as db:
            db.executemany("INSERT OR IGNORE INTO image VALUES (?, ?)", ((study, image) for image in images))
            db.execute("UPDATE study SET urgent = ? WHERE name = ?", (int(urgent), study))
            self._close(db, study, missing)

    def claim(self, busy: Iterable[str] = ()) -> Claim | None:
        """The ready study that has waited longest, urgent ones first; its attempt is counted: a crash counts, too.

        Parameters
        ----------
        busy
            Studies that other threads of this process work on.
        """
        with self._change() as db:
            skip = set(busy)
            rows = db.execute(
                "SELECT name, round, attempts, missing, urgent FROM study WHERE state = ? AND not_before <= ? "
                "ORDER BY urgent DESC, updated",
                (State.READY, time.time()),
            )
            chosen = next((row for row in rows if row[0] not in skip), None)
            if chosen is None:
                return None
            name, round_, attempts, missing, urgent = chosen
            db.execute("UPDATE study SET attempts = attempts + 1 WHERE name = ?", (name,))
            return Claim(name, round_, attempts + 1, missing, bool(urgent))

    def postpone(self, claim: Claim, delay_s: float, *, count: bool) -> None:
        """Try again later; ``count`` is False where the study is not to blame."""
        with self._change() as db:
            db.execute(
                "UPDATE study SET not_before = ?, attempts = attempts - ?, updated = ? WHERE name = ? AND round = ?",
                (time.time() + delay_s, 0 if count else 1, time.time(), claim.name, claim.round),
            )

    def is_current(self, claim: Claim) -> bool:
        """Tell whether no image has come since the study was claimed."""
        row = self._row(
            "SELECT 1 FROM study WHERE name = ? AND round = ? AND state = ?", claim.name, claim.round, State.READY
        )
        return row is not None

    def finish(
        self, claim: Claim, state: State, code: str = "", reports: Iterable[str] = (), settle_s: float = 0.0
    ) -> None:
        """The study was refused, and these reports say so, or it has failed.

        If findings of an earlier round were sent, the study stays known for them.
        """
        now = time.time()
        with self._change() as db:
            if not self.is_current(claim):
                return
            if self._row("SELECT 1 FROM result WHERE study = ? AND NOT refusal", claim.name):
                state, reports = State.SENDING, ()
            db.executemany(
                "INSERT OR IGNORE INTO result (name, study, refusal, updated, not_before) VALUES (?, ?, 1, ?, ?)",
                ((name, claim.name, now, self._settled(claim, settle_s)) for name in reports),
            )
            db.execute(
                "UPDATE study SET state = ?, code = ?, updated = ? WHERE name = ? AND round = ? AND state = ?",
                (state, code, now, claim.name, claim.round, State.READY),
            )
            self._settle(db, claim.name)

    def has_results(self, claim: Claim, results: Sequence[str], settle_s: float = 0.0) -> list[str]:
        """The study has these results, which lie in the spool; those among them that are not to be sent.

        These are such as the PACS has already, and all of them if more of the study has come meanwhile.

        Parameters
        ----------
        settle_s
            The results are not due before so long after the study has come to rest.
        """
        now = time.time()
        with self._change() as db:
            if not self.is_current(claim):
                return list(results)
            db.executemany(
                "INSERT OR IGNORE INTO result (name, study, updated, not_before) VALUES (?, ?, ?, ?)",
                ((name, claim.name, now, self._settled(claim, settle_s)) for name in results),
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

    def not_sent(self, result: Pending, delay_s: float, reason: str = "") -> None:
        """The PACS did not take the result, for a reason: try again later."""
        with self._change() as db:
            db.execute(
                "UPDATE result SET attempts = attempts + 1, not_before = ?, reason = ? WHERE name = ?",
                (time.time() + delay_s, reason, result.name),
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

    def _close(self, db: sqlite3.Connection, study: str, missing: int) -> None:
        now = time.time()
        db.execute(
            "UPDATE study SET state = ?, missing = ?, closed = ?, updated = ? WHERE name = ? AND state = ?",
            (State.READY, missing, now, now, study, State.RECEIVING),
        )

    def _settled(self, claim: Claim, settle_s: float) -> float:
        row = self._row("SELECT closed FROM study WHERE name = ?", claim.name)
        return float(row[0]) + settle_s if row and settle_s else 0.0

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
