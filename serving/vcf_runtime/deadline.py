# SPDX-License-Identifier: Apache-2.0
"""Deadlines that end the work: a study that nobody waits for any more starts no further step.

Triton hands a request's ``timeout`` to every step of an ensemble but measures it from each step's own queue. Here the
first Python step of a study writes down, under the request's id, when its time is over; all later steps, which are
other processes, look there. The server's clock alone is read, so the caller's may be wrong. The place is a small table
in shared memory; two studies that meet in one slot cost the earlier one its deadline, never its answer.
"""

import mmap
import os
import struct
import time
from hashlib import blake2b
from pathlib import Path
from typing import Any

from vcf_contract.contract import DEADLINE_TABLE, MAX_TIMEOUT_US
from vcf_contract.errors import Code, DeadlineExceeded, StudyRefused

_SLOTS = 4096
_SLOT = struct.Struct("<QQ")  # key, end in ns of the monotonic clock


class Deadlines:
    """Tell when each study's time is over, known to all processes that share the file.

    Ids tell requests apart: one used twice gets the later end. A request without id or timeout has no deadline.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._table: mmap.mmap | None = None

    def begin(self, request_id: str, timeout_us: int) -> None:
        """The study has arrived just now and may be worked on for this long."""
        if request_id and timeout_us > 0 and (table := self._open(os.O_CREAT)):
            key, at = _place(request_id)
            _SLOT.pack_into(table, at, 0, 0)
            _SLOT.pack_into(table, at, key, time.monotonic_ns() + timeout_us * 1000)

    def passed(self, request_id: str, timeout_us: int) -> bool:
        """Tell whether the study's time is over."""
        if not request_id or timeout_us <= 0 or not (table := self._open(0)):
            return False
        key, at = _place(request_id)
        found, end_ns = _SLOT.unpack_from(table, at)
        return bool(found == key and time.monotonic_ns() >= end_ns)

    def shorten(self, request_id: str, timeout_us: int) -> None:
        """The study may be worked on for this long from now, if that ends before its time does."""
        if request_id and timeout_us > 0 and (table := self._open(0)):
            key, at = _place(request_id)
            found, end_ns = _SLOT.unpack_from(table, at)
            if found == key:
                _SLOT.pack_into(table, at, key, min(end_ns, time.monotonic_ns() + timeout_us * 1000))

    def end(self, request_id: str) -> None:
        """The study's time is over now, if it has one: nobody waits for it any more."""
        if request_id and (table := self._open(0)):
            key, at = _place(request_id)
            if _SLOT.unpack_from(table, at)[0] == key:
                _SLOT.pack_into(table, at, key, 0)

    def _open(self, create: int) -> mmap.mmap | None:
        if self._table is None:
            size = _SLOTS * _SLOT.size
            try:
                handle = os.open(self._path, os.O_RDWR | os.O_CLOEXEC | create, 0o600)
            except OSError:
                return None
            try:
                if os.fstat(handle).st_size < size:
                    os.ftruncate(handle, size)
                self._table = mmap.mmap(handle, size)
            finally:
                os.close(handle)
        return self._table


def key_of(request_id: str) -> int:
    """The key of a request that has an id, in every table that the steps share: odd, for 0 is an empty slot."""
    return int.from_bytes(blake2b(request_id.encode(), digest_size=8).digest(), "little") | 1


def _place(request_id: str) -> tuple[int, int]:
    key = key_of(request_id)
    return key, (key >> 1) % _SLOTS * _SLOT.size


TABLE = Path(os.environ.get(DEADLINE_TABLE) or f"/dev/shm/vcf-deadlines-{os.getppid()}")
"""Where the server that this process belongs to has its table: a stub's parent is Triton, and each server has a table
of its own."""
DEADLINES = Deadlines(TABLE)


def check_timeout(timeout_us: int) -> None:
    """Refuse a timeout of more than a day with ``BAD_INPUT``. A negative one is: Triton reads it without its sign."""
    if timeout_us > MAX_TIMEOUT_US:
        raise StudyRefused(
            Code.BAD_INPUT, f"timeout must be from 0, for none, to {MAX_TIMEOUT_US} microseconds, which are a day"
        )


def check(request: Any, step: str, *, first: bool = False) -> None:
    """Call before any work on a request of Triton's Python backend.

    Raises
    ------
    DeadlineExceeded
        With the code that a client finds in the server's text.
    StudyRefused
        As `check_timeout`.
    """
    request_id, timeout_us = request.request_id(), request.timeout()
    check_timeout(timeout_us)
    if first:
        DEADLINES.begin(request_id, timeout_us)
    elif DEADLINES.passed(request_id, timeout_us):
        raise DeadlineExceeded(f"{DeadlineExceeded.CODE}: the study's time was over before {step} began")
