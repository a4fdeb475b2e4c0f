# SPDX-License-Identifier: Apache-2.0
"""The journal's states, each change read back through a second connection as after a crash."""

import sqlite3
import time
from pathlib import Path

import pytest

from tests.clients.gateway.clock import Clock
from vcf_client.gateway.journal import Claim, Journal, State
from vcf_client.gateway.status import counts


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.sqlite")


def reopened(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.sqlite")


def ready(journal: Journal, study: str = "s", images: tuple[str, ...] = ("a", "b")) -> None:
    journal.receive(study)
    journal.close_round(study, images)


def claimed(journal: Journal) -> Claim:
    claim = journal.claim()
    assert claim is not None
    return claim


def test_the_way_of_a_study(journal: Journal, tmp_path: Path) -> None:
    assert journal.state("s") is None
    journal.receive("s")
    assert reopened(tmp_path).state("s") is State.RECEIVING
    assert journal.claim() is None
    journal.close_round("s", ("a", "b"))
    assert reopened(tmp_path).state("s") is State.READY
    assert journal.has_image("s", "a") and not journal.has_image("s", "c") and not journal.has_image("t", "a")
    claim = claimed(journal)
    assert claim == Claim("s", 1, 1)
    assert journal.has_results(claim, ["r1", "r2"]) == []
    assert reopened(tmp_path).state("s") is State.SENDING
    first, second = journal.pending()
    journal.sent(first)
    assert journal.state("s") is State.SENDING
    journal.sent(second)
    assert reopened(tmp_path).state("s") is State.DONE
    assert journal.pending() == []


def test_a_claim_that_ended_the_process_counts(journal: Journal, tmp_path: Path) -> None:
    ready(journal)
    claimed(journal)
    assert claimed(reopened(tmp_path)).attempts == 2


def test_postponed_studies_wait(journal: Journal, clock: Clock) -> None:
    ready(journal)
    claim = claimed(journal)
    journal.postpone(claim, 20.0, count=False)
    assert journal.claim() is None
    clock.advance(19.9)
    assert journal.claim() is None
    clock.advance(0.2)
    assert claimed(journal).attempts == 1


def test_busy_studies_are_not_claimed_twice(journal: Journal) -> None:
    ready(journal, "s")
    ready(journal, "t")
    assert claimed(journal).name == "s"
    second = journal.claim({"s"})
    assert second is not None and second.name == "t"
    assert journal.claim({"s", "t"}) is None


def test_a_study_that_grows_is_a_new_round(journal: Journal) -> None:
    ready(journal)
    old = claimed(journal)
    journal.receive("s")
    assert not journal.is_current(old)
    journal.finish(old, State.REFUSED, "TOO_SHORT")
    assert journal.state("s") is State.RECEIVING, "the old round's end is no end of the new one"
    journal.close_round("s", ("c",))
    assert journal.has_image("s", "a") and journal.has_image("s", "c")
    assert claimed(journal) == Claim("s", 2, 1)


def test_receiving_more_of_an_open_round_changes_nothing(journal: Journal) -> None:
    journal.receive("s")
    journal.receive("s")
    journal.close_round("s", ())
    assert claimed(journal).round == 1


def test_results_that_were_sent_are_not_sent_again(journal: Journal) -> None:
    ready(journal)
    journal.has_results(claimed(journal), ["r"])
    journal.sent(journal.pending()[0])
    journal.receive("s")
    journal.close_round("s", ("c",))
    assert journal.has_results(claimed(journal), ["r"]) == ["r"]
    assert journal.state("s") is State.DONE
    assert journal.pending() == []


def test_results_are_not_due_before_the_study_has_settled(journal: Journal, clock: Clock) -> None:
    ready(journal)
    journal.has_results(claimed(journal), ["r"], settle_s=50.0)
    clock.advance(49.0)
    assert journal.pending() == [] and len(journal.pending(due=False)) == 1
    clock.advance(2.0)
    assert [result.name for result in journal.pending()] == ["r"]


def test_results_of_a_round_that_is_over_are_not_written_down(journal: Journal) -> None:
    ready(journal)
    old = claimed(journal)
    journal.receive("s")
    assert journal.has_results(old, ["r1", "r2"]) == ["r1", "r2"]
    journal.finish(old, State.REFUSED, "TOO_SHORT", ["r3"])
    assert journal.pending(due=False) == [] and journal.state("s") is State.RECEIVING


def test_results_that_are_not_sent_are_void_in_the_next_round(journal: Journal) -> None:
    ready(journal)
    journal.has_results(claimed(journal), ["sent", "waits"])
    journal.sent(journal.pending()[0])
    assert journal.receive("s") == ["waits"]
    assert journal.receive("s") == []
    journal.close_round("s", ("c",))
    assert journal.has_results(claimed(journal), ["sent", "waits"]) == ["sent"]
    assert [result.name for result in journal.pending()] == ["waits"]


def test_a_journal_of_an_older_version_gets_what_it_lacks(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "journal.sqlite") as db:
        db.executescript("""
        CREATE TABLE study (name TEXT PRIMARY KEY, state TEXT NOT NULL, round INTEGER NOT NULL DEFAULT 1,
            attempts INTEGER NOT NULL DEFAULT 0, not_before REAL NOT NULL DEFAULT 0, code TEXT NOT NULL DEFAULT '',
            updated REAL NOT NULL) WITHOUT ROWID;
        CREATE TABLE result (name TEXT PRIMARY KEY, study TEXT NOT NULL, refusal INTEGER NOT NULL DEFAULT 0,
            sent INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0, not_before REAL NOT NULL DEFAULT 0,
            updated REAL NOT NULL) WITHOUT ROWID;
        CREATE INDEX result_study ON result (study, sent);
        INSERT INTO study VALUES ('s', 'ready', 1, 0, 0, '', 0);
        INSERT INTO result VALUES ('r', 't', 0, 0, 0, 0, 0);
        """)
    db.close()
    assert counts(tmp_path)["not_delivered"] == {}, "before the gateway has been started anew"
    journal = reopened(tmp_path)
    assert claimed(journal) == Claim("s", 1, 1)
    journal.not_sent(journal.pending()[0], 0.0, "rejected")
    assert counts(tmp_path)["not_delivered"] == {"rejected": 1}


def test_a_result_that_was_not_taken_waits(journal: Journal) -> None:
    ready(journal)
    journal.has_results(claimed(journal), ["r"])
    journal.not_sent(journal.pending()[0], 60.0)
    assert journal.pending() == []
    assert [result.attempts for result in journal.pending(due=False)] == [1]


def test_a_refusal_after_results_leaves_the_study_done(journal: Journal) -> None:
    ready(journal)
    journal.has_results(claimed(journal), ["r"])
    journal.sent(journal.pending()[0])
    journal.receive("s")
    journal.close_round("s", ("c",))
    journal.finish(claimed(journal), State.REFUSED, "TOO_SHORT")
    assert journal.state("s") is State.DONE


def test_failed_studies_get_another_chance(journal: Journal) -> None:
    ready(journal)
    journal.finish(claimed(journal), State.FAILED, "ValueError")
    assert journal.retry_failed() == 1 and journal.retry_failed() == 0
    assert claimed(journal).attempts == 1


def test_finished_studies_are_forgotten_in_the_end(journal: Journal) -> None:
    ready(journal, "old")
    journal.finish(claimed(journal), State.REFUSED, "NOT_CT")
    ready(journal, "open")
    assert journal.forget(time.time() - 60) == 0
    assert journal.forget(time.time() + 60) == 1
    assert journal.state("old") is None and not journal.has_image("old", "a")
    assert journal.state("open") is State.READY
