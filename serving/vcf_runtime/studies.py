# SPDX-License-Identifier: Apache-2.0
"""The studies that a server has taken and not answered yet: so many at a time and no more.

Triton bounds the queue of one model, and no ensemble: studies pile up before its slowest step, each with its voxels,
until the memory is full. Here all steps, which are processes of their own, share one small table. A study is entered
when it asks for admission, or by its first Python step if it did not ask; the last step takes it out, and so does any
step that fails. One that is forgotten (its process was killed) goes when its deadline has passed.
"""

import fcntl
import mmap
import os
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from vcf_contract.errors import Overloaded
from vcf_runtime import load_metrics
from vcf_runtime.deadline import TABLE

_SLOTS = 1024
_HEAD = struct.Struct("<QQQQ")
"""Most routine studies, most studies, mean time between two answers in ns, time of the last answer in ns."""
_SLOT = struct.Struct("<QQQ")
"""Key, end in ns of the monotonic clock, state."""
EMPTY, TAKEN, LEFT, URGENT, NEXT, REFUSED, WAITING = range(7)
"""An urgent study is `URGENT` in place of `TAKEN`, and `NEXT` while it waits for the step that all wait for. One that
found no room is `REFUSED`, and `WAITING` once it has asked again: who asks for the first time gets what these leave."""
_COUNTED = frozenset((TAKEN, URGENT, NEXT))
_OUTSIDE = frozenset((REFUSED, WAITING))
LONGEST_S = 300.0
"""How long a study without a deadline counts, if nothing answers or fails it."""
LEAST_ADVICE_S, LONGEST_ADVICE_S = 0.1, 30.0
_KEEPS_ITS_PLACE = 2.0
"""How many times as long as it was told to wait a study that was refused may take to ask again."""
_SMOOTH = 0.2
"""Weight of the newest gap in the mean time between two answers."""


class Studies:
    """The table; known to all processes that share the file.

    show
        Called with the number of studies that are taken whenever it changes, in the right order.
    """

    def __init__(self, path: Path, show: Callable[[int], None] = lambda count: None) -> None:
        self._path = path
        self._show = show
        self._handle = -1
        self._table: mmap.mmap | None = None

    def limit(self, most_routine: int, most: int) -> None:
        """Take routine studies up to one number, and with urgent ones up to another one, counting all.

        Raises
        ------
        ValueError
            If the numbers make no sense, or are more than the table holds.
        """
        if not 1 <= most_routine <= most <= _SLOTS // 2:
            raise ValueError(
                f"the limits are {most_routine} and {most}; 1 and more, the second not less, up to {_SLOTS // 2}"
            )
        with self._locked() as table:
            if table is not None:
                _, _, mean_ns, last_ns = _HEAD.unpack_from(table)
                _HEAD.pack_into(table, 0, most_routine, most, mean_ns, last_ns)

    def take(self, key: int, timeout_us: int, *, urgent: bool = False) -> int:
        """Enter a study, or prolong one that is there; how many there are then. Without a limit all are taken.

        Raises
        ------
        Overloaded
            If there is no room; the sentence says when there may be.
        """
        with self._locked() as table:
            if table is None:
                return 0
            now = time.monotonic_ns()
            end_ns = now + (timeout_us * 1000 if timeout_us > 0 else int(LONGEST_S * 1e9))
            most_routine, most, mean_ns, _ = _HEAD.unpack_from(table)
            seen = _Seen(table, key, now)
            if seen.state not in _COUNTED and most:
                # Who has asked before takes what is free; the others, what is left when all of these have theirs.
                before_it = 0 if seen.state in _OUTSIDE or urgent else seen.waiting
                if seen.taken >= most or (seen.routine + before_it >= most_routine and not urgent):
                    advice_s = _advice_s(seen.taken, seen.waiting, mean_ns)
                    if (place := seen.place if seen.place is not None else seen.free) is not None:
                        state = WAITING if seen.state in _OUTSIDE else REFUSED
                        until_ns = now + int(_KEEPS_ITS_PLACE * advice_s * 1e9)
                        _SLOT.pack_into(table, place, key, min(until_ns, end_ns), state)
                    raise Overloaded.full(seen.taken, advice_s)
            places = (seen.place, seen.free, seen.spare)
            if (place := next((each for each in places if each is not None), None)) is not None:
                state = seen.state if seen.state in _COUNTED else URGENT if urgent else TAKEN
                _SLOT.pack_into(table, place, key, end_ns, state)
            self._show(seen.taken + 1)
            return seen.taken + 1

    def knows(self, key: int) -> bool:
        """Tell whether the study is in the table, taken or given up."""
        return self.state(key) != EMPTY

    def has_left(self, key: int) -> bool:
        """Tell whether the study's caller has given it up."""
        return self.state(key) == LEFT

    def answered(self, key: int) -> int:
        """Take out a study that is answered; how many are left."""
        with self._locked() as table:
            if table is None:
                return 0
            now, others, was_there = time.monotonic_ns(), 0, False
            for at, found, _, state in _slots(table):
                if found == key and state != EMPTY:
                    _SLOT.pack_into(table, at, 0, 0, EMPTY)
                    was_there = True
                else:
                    others += state in _COUNTED
            if not was_there:
                return others
            most_routine, most, mean_ns, last_ns = _HEAD.unpack_from(table)
            if last_ns:
                gap_ns = now - last_ns
                mean_ns = int(mean_ns + _SMOOTH * (gap_ns - mean_ns)) if mean_ns else gap_ns
            # A gap in which nothing was in flight says nothing about how fast the server is.
            _HEAD.pack_into(table, 0, most_routine, most, mean_ns, now if others else 0)
            self._show(others)
            return others

    def failed(self, key: int) -> int:
        """Take out a study that failed or was refused; how many are left."""
        return self._set(key, EMPTY)

    def leave(self, key: int) -> int:
        """Note that nobody waits for the study any more; how many are left.

        It does not count, and none of its steps begins.
        """
        return self._set(key, LEFT)

    def show(self) -> None:
        """Show how many there are; those whose time is over have gone, which nobody said."""
        with self._locked() as table:
            if table is not None:
                now = time.monotonic_ns()
                self._show(sum(state in _COUNTED and until_ns >= now for _, _, until_ns, state in _slots(table)))

    def rename(self, key: int, new_key: int, timeout_us: int) -> None:
        """Know a study by another key from now on, and for this long."""
        with self._locked() as table:
            if table is None:
                return
            for at, found, _, state in _slots(table):
                if found == key and state != EMPTY:
                    _SLOT.pack_into(table, at, new_key, time.monotonic_ns() + timeout_us * 1000, state)

    def waits(self, key: int) -> None:
        """Note that the study waits for the step that all wait for; if it is urgent, it is `NEXT`."""
        self._turn(key, URGENT, NEXT)

    def begins(self, key: int) -> None:
        """Note that the study waits no more."""
        self._turn(key, NEXT, URGENT)

    def urgent(self) -> dict[int, int]:
        """Keys and states of all urgent studies. Read without the lock: it may be so no more."""
        if self._table is None and not self._open():
            return {}
        assert self._table is not None
        now = time.monotonic_ns()
        return {
            key: state for _, key, until_ns, state in _slots(self._table) if state in (URGENT, NEXT) and until_ns >= now
        }

    def _turn(self, key: int, before: int, after: int) -> None:
        with self._locked() as table:
            if table is None:
                return
            for at, found, until_ns, state in _slots(table):
                if state == before and found == key:
                    _SLOT.pack_into(table, at, found, until_ns, after)

    def state(self, key: int) -> int:
        """`EMPTY` if the study was not taken, `TAKEN`, `URGENT`, `NEXT`, or `LEFT` by its caller."""
        with self._locked() as table:
            if table is not None:
                for _, found, _, state in _slots(table):
                    if found == key:
                        return EMPTY if state in _OUTSIDE else state
        return EMPTY

    def _set(self, key: int, state: int) -> int:
        others = found_there = 0
        with self._locked() as table:
            if table is None:
                return 0
            now = time.monotonic_ns()
            for at, found, until_ns, old in _slots(table):
                if found == key and old != EMPTY:
                    _SLOT.pack_into(table, at, *((key, until_ns, state) if state else (0, 0, EMPTY)))
                    found_there = 1
                else:
                    others += old in _COUNTED and until_ns >= now
            if found_there:
                self._show(others)
        return others

    @contextmanager
    def _locked(self) -> Iterator[mmap.mmap | None]:
        """The table, for this process alone; None where there is no shared memory. The lock goes with its process."""
        if self._table is None and not self._open():
            yield None
            return
        fcntl.lockf(self._handle, fcntl.LOCK_EX)
        try:
            yield self._table
        finally:
            fcntl.lockf(self._handle, fcntl.LOCK_UN)

    def _open(self) -> bool:
        size = _HEAD.size + _SLOTS * _SLOT.size
        try:
            self._handle = os.open(self._path, os.O_RDWR | os.O_CLOEXEC | os.O_CREAT, 0o600)
            if os.fstat(self._handle).st_size < size:
                os.ftruncate(self._handle, size)
            self._table = mmap.mmap(self._handle, size)
        except (OSError, ValueError):
            return False
        return True


class _Seen:
    """See what a study finds that asks for room: where it stands itself, how many others there are, where a slot is.

    What has ended is taken out on the way. A `spare` slot is that of a study which was refused and may come again.
    """

    def __init__(self, table: mmap.mmap, key: int, now_ns: int) -> None:
        self.place: int | None = None
        self.free: int | None = None
        self.spare: int | None = None
        self.state, self.taken, self.routine, self.waiting = EMPTY, 0, 0, 0
        for at, found, until_ns, state in _slots(table):
            if state != EMPTY and until_ns < now_ns:
                _SLOT.pack_into(table, at, 0, 0, EMPTY)
                state = EMPTY
            if state == EMPTY:
                self.free = at if self.free is None else self.free
            elif found == key:
                self.place, self.state = at, state
            else:
                self.taken += state in _COUNTED
                self.routine += state == TAKEN
                self.waiting += state == WAITING
                self.spare = at if state in _OUTSIDE else self.spare


def _slots(table: mmap.mmap) -> Iterator[tuple[int, int, int, int]]:
    """Tell where each slot is, and what is in it."""
    for number, content in enumerate(_SLOT.iter_unpack(table[_HEAD.size : _HEAD.size + _SLOTS * _SLOT.size])):
        yield _HEAD.size + number * _SLOT.size, *content


def _advice_s(taken: int, waiting: int, mean_ns: int) -> float:
    """Tell when to ask again: by then half of the studies and as many as are waiting will have been answered."""
    return min(LONGEST_ADVICE_S, max(LEAST_ADVICE_S, (taken / 2 + waiting) * mean_ns / 1e9))


def key_at(first_mark_ns: int) -> int:
    """The key of a request without an id: even, unlike `key_of`, from the clock that its Python steps hand on."""
    return (first_mark_ns << 1) & (2**64 - 1)


STUDIES = Studies(TABLE.with_name(f"{TABLE.name}-studies"), load_metrics.show_in_flight)
"""The table of the server that this process belongs to."""
