# SPDX-License-Identifier: Apache-2.0
"""Tell that this process owes answers that it has put off, in a way that outlives it.

Triton fails what a process was at when it dies, and waits for ever for an answer that the process has put off. Whoever
looks after the server sees that it was one of those, and ends the waiting (`vcf_server.tables`).
"""

import os
from contextlib import suppress
from pathlib import Path

from vcf_contract.contract import OWED_ANSWERS
from vcf_runtime.deadline import TABLE


class Owed:
    """A file that is there while answers are owed."""

    def __init__(self, table: Path = TABLE) -> None:
        self._path = table.with_name(f"{table.name}{OWED_ANSWERS}{os.getpid()}")
        self._there = False

    def show(self, some: bool) -> None:
        """Show whether there are some. Without shared memory nobody is told."""
        if some == self._there:
            return
        with suppress(OSError):
            if some:
                self._path.touch(0o600)
            else:
                self._path.unlink(missing_ok=True)
        self._there = some
