# SPDX-License-Identifier: Apache-2.0
"""The journal's states, each change read back through a second connection as after a crash."""

import time
from pathlib import Path

import pytest

from clients.gateway.journal import Claim, Journal, State


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


def test_postponed_studies_wait(journal: Journal) -> None:
    ready(journal)
    claim = claimed(journal)
    journal.postpone(claim, 0.2, count=False)
    assert journal.claim() is None
    time.sleep(0.25)
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
