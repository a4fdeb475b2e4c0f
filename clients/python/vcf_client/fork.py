# SPDX-License-Identifier: Apache-2.0
"""No gRPC in a process that was forked after it was used: its threads and locks do not come along, and calls hang."""

import os

from vcf_contract.errors import SetupError

_used_by: int | None = None
"""Process that was the first to use gRPC; a forked one inherits the number, not the threads."""


def survives() -> bool:
    """Return whether gRPC works here, as far as this package has used it; says that it is used from now on."""
    global _used_by
    if _used_by is None:
        _used_by = os.getpid()
    return _used_by == os.getpid()


def check() -> None:
    """Raise ``SetupError`` in a process that was forked from one in which this package had used gRPC."""
    if not survives():
        raise SetupError(
            "this process was forked from one that had used gRPC, which does not work after a fork: start processes by "
            "multiprocessing.get_context('spawn') or 'forkserver', or make the first client after the fork"
        )
