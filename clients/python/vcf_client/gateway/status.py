# SPDX-License-Identifier: Apache-2.0
"""Tell how many studies stand where: read from the journal, while the gateway runs or not."""

import sqlite3
from pathlib import Path
from typing import Any

from vcf_client.gateway.spool import JOURNAL_FILE
from vcf_contract.errors import SetupError


def counts(spool: Path) -> dict[str, Any]:
    """Studies by state, refusals and failures by code, results sent and waiting, why the PACS did not take those that
    were tried, and the size of the spool.

    Raises
    ------
    SetupError
        If the folder holds no journal.
    """
    path = spool / JOURNAL_FILE
    if not path.is_file():
        raise SetupError("the spool folder holds no journal; start the gateway with it first")
    db = sqlite3.connect(path)
    try:
        db.execute("PRAGMA query_only = ON")
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'result_study'").fetchone():  # made last
            raise SetupError("the journal in the spool folder is being made; ask again")
        return {
            "studies": dict(db.execute("SELECT state, count(*) FROM study GROUP BY state ORDER BY state")),
            "refused": _by_code(db, "refused"),
            "failed": _by_code(db, "failed"),
            "results": {
                "sent": db.execute("SELECT count(*) FROM result WHERE sent = 1").fetchone()[0],
                "waiting": db.execute("SELECT count(*) FROM result WHERE sent = 0").fetchone()[0],
            },
            "not_delivered": _by_reason(db),
            "spool_bytes": sum(map(_bytes, spool.glob("*/**/*.dcm"))),
        }
    finally:
        db.close()


def _bytes(file: Path) -> int:
    """Size of a file, which a running gateway may have removed just now."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def _by_code(db: sqlite3.Connection, state: str) -> dict[str, int]:
    return dict(db.execute("SELECT code, count(*) FROM study WHERE state = ? GROUP BY code ORDER BY code", (state,)))


def _by_reason(db: sqlite3.Connection) -> dict[str, int]:
    if "reason" not in {column[1] for column in db.execute("PRAGMA table_info(result)")}:
        return {}  # of an older version, before the gateway has been started anew
    return dict(
        db.execute(
            "SELECT reason, count(*) FROM result WHERE sent = 0 AND reason != '' GROUP BY reason ORDER BY reason"
        )
    )
