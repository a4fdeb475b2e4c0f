# SPDX-License-Identifier: Apache-2.0
"""How many studies stand where: read from the journal, while the gateway runs or not."""

import sqlite3
from pathlib import Path
from typing import Any

from clients.gateway.spool import JOURNAL_FILE
from vcf.errors import SetupError


def counts(spool: Path) -> dict[str, Any]:
    """Studies by state, refusals and failures by code, results sent and waiting, and the size of the spool.

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
        return {
            "studies": dict(db.execute("SELECT state, count(*) FROM study GROUP BY state ORDER BY state")),
            "refused": _by_code(db, "refused"),
            "failed": _by_code(db, "failed"),
            "results": {
                "sent": db.execute("SELECT count(*) FROM result WHERE sent = 1").fetchone()[0],
                "waiting": db.execute("SELECT count(*) FROM result WHERE sent = 0").fetchone()[0],
            },
            "spool_bytes": sum(file.stat().st_size for file in spool.glob("*/**/*.dcm")),
        }
    finally:
        db.close()


def _by_code(db: sqlite3.Connection, state: str) -> dict[str, int]:
    return dict(db.execute("SELECT code, count(*) FROM study WHERE state = ? GROUP BY code ORDER BY code", (state,)))
