# SPDX-License-Identifier: Apache-2.0
"""Counts against a journal that was filled by hand."""

import sqlite3
from pathlib import Path

import pytest

from vcf_client.gateway.journal import Journal, State
from vcf_client.gateway.spool import Spool
from vcf_client.gateway.status import counts
from vcf_contract.errors import SetupError


def fill(journal: Journal, name: str, state: State | None, code: str = "", results: tuple[str, ...] = ()) -> None:
    journal.receive(name)
    if state is None:
        return
    journal.close_round(name, [f"{name}-image"])
    claim = journal.claim()
    assert claim is not None and claim.name == name
    if state is State.DONE:
        journal.has_results(claim, results)
    else:
        journal.finish(claim, state, code)


def test_every_study_and_result_is_counted_where_it_stands(tmp_path: Path) -> None:
    spool = Spool(tmp_path, max_bytes=10**8, keep_free_bytes=0)
    journal = Journal(spool.journal_path)
    fill(journal, "a", State.REFUSED, "TOO_SHORT")
    fill(journal, "b", State.REFUSED, "NOT_CT")
    fill(journal, "c", State.REFUSED, "NOT_CT")
    fill(journal, "d", State.FAILED, "ServerFailed")
    fill(journal, "e", State.DONE, results=("sr", "sc"))
    fill(journal, "f", None)
    sent, waiting = journal.pending()
    journal.sent(sent)
    journal.not_sent(waiting, 60.0, "rejected")
    spool.put_image("f", "f-image", b"x" * 1000)
    found = counts(tmp_path)
    assert sum(found["studies"].values()) == 6
    assert (found["studies"]["refused"], found["studies"]["failed"]) == (3, 1)
    assert found["refused"] == {"NOT_CT": 2, "TOO_SHORT": 1}
    assert found["failed"] == {"ServerFailed": 1}
    assert found["results"] == {"sent": 1, "waiting": 1}
    assert found["not_delivered"] == {"rejected": 1}
    assert found["spool_bytes"] == 1000
    journal.close()
    spool.close()


def test_counting_changes_nothing_and_stops_no_writer(tmp_path: Path) -> None:
    """Of a gateway that is in the middle of a change."""
    spool = Spool(tmp_path, max_bytes=10**8, keep_free_bytes=0)
    journal = Journal(spool.journal_path)
    fill(journal, "a", State.REFUSED, "NOT_CT")
    writer = sqlite3.connect(spool.journal_path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("UPDATE study SET code = 'OTHER'")
    assert counts(tmp_path)["refused"] == {"NOT_CT": 1}
    writer.execute("COMMIT")
    writer.close()
    assert counts(tmp_path)["refused"] == {"OTHER": 1}
    journal.close()
    spool.close()


def test_a_folder_without_a_journal(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="holds no journal; start the gateway"):
        counts(tmp_path)
    assert not list(tmp_path.iterdir()), "asking made a file"


def test_a_journal_that_is_being_made(tmp_path: Path) -> None:
    path = Spool(tmp_path, max_bytes=10**8, keep_free_bytes=0).journal_path
    sqlite3.connect(path).execute("CREATE TABLE study (name TEXT)").connection.close()
    with pytest.raises(SetupError, match="being made; ask again"):
        counts(tmp_path)
