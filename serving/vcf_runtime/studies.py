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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcf_contract.errors import Overloaded
from vcf_runtime import load_metrics
from vcf_runtime.deadline import TABLE

_SLOTS = 1024
_HEAD = struct.Struct("<QQQQ")
"""Most routine studies, most studies, mean time between two answers in ns, time of the last answer in ns."""
_SLOT = np.dtype([("key", "<u8"), ("until_ns", "<i8"), ("state", "<i8")])
"""Key, end by the monotonic clock, state. Looked through as arrays: who asks waits for all who look, one by one."""
EMPTY, LEFT, TAKEN, URGENT, NEXT, REFUSED, WAITING = range(7)
"""An urgent study is `URGENT` in place of `TAKEN`, and `NEXT` while it comes to the step that all wait for. One that
found no room is `REFUSED`, and `WAITING` once it has asked again: who asks for the first time gets what these leave."""
_COUNTED, _URGENT, _OUTSIDE = range(TAKEN, NEXT + 1), range(URGENT, NEXT + 1), range(REFUSED, WAITING + 1)
LONGEST_S = 300.0
"""How long a study without a deadline counts, if nothing answers or fails it."""
LEAST_ADVICE_S, LONGEST_ADVICE_S = 0.1, 30.0
_KEEPS_ITS_PLACE = 2.0
"""How many times as long as it was told to wait a study that was refused may take to ask again."""
_SMOOTH = 0.2
"""Weight of the newest gap in the mean time between two answers."""


@dataclass(frozen=True)
class _Table:
    """The file as this process sees it."""

    memory: mmap.mmap
    slots: NDArray[Any]

    def head(self) -> tuple[int, int, int, int]:
        """Return the numbers of `_HEAD`."""
        most_routine, most, mean_ns, last_ns = _HEAD.unpack_from(self.memory)
        return most_routine, most, mean_ns, last_ns

    def set_head(self, *numbers: int) -> None:
        """Write the numbers of `_HEAD`."""
        _HEAD.pack_into(self.memory, 0, *numbers)

    def place(self, key: int) -> int | None:
        """Tell where a study is; None where it is not."""
        return _first((self.slots["key"] == np.uint64(key)) & (self.slots["state"] != EMPTY))

    def counted(self, now_ns: int) -> NDArray[np.bool_]:
        """Tell of each slot whether a study is in it that is taken, and whose time is not over."""
        return _within(self.slots["state"], _COUNTED) & (self.slots["until_ns"] >= now_ns)


class Studies:
    """The table; known to all processes that share the file.

    show
        Called with the number of studies that are taken whenever it changes, in the right order.
    """

    def __init__(self, path: Path, show: Callable[[int], None] = lambda count: None) -> None:
        self._path = path
        self._show = show
        self._handle = -1
        self._table: _Table | None = None

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
                _, _, mean_ns, last_ns = table.head()
                table.set_head(most_routine, most, mean_ns, last_ns)

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
            most_routine, most, mean_ns, _ = table.head()
            seen = _Seen.by(key, table, now)
            if most and not seen.has_room(most_routine, most, urgent=urgent):
                advice_s = _advice_s(seen.taken, seen.waiting, mean_ns)
                if seen.place is not None:
                    state = WAITING if seen.state in _OUTSIDE else REFUSED
                    until_ns = now + int(_KEEPS_ITS_PLACE * advice_s * 1e9)
                    table.slots[seen.place] = key, min(until_ns, end_ns), state
                raise Overloaded.full(seen.taken, advice_s)
            if (place := seen.spare if seen.place is None else seen.place) is not None:
                state = seen.state if seen.state in _COUNTED else URGENT if urgent else TAKEN
                table.slots[place] = key, end_ns, state
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
            now, place = time.monotonic_ns(), table.place(key)
            if place is not None:
                table.slots[place] = 0, 0, EMPTY
            others = int(np.count_nonzero(table.counted(now)))
            if place is None:
                return others
            most_routine, most, mean_ns, last_ns = table.head()
            if last_ns:
                gap_ns = now - last_ns
                mean_ns = int(mean_ns + _SMOOTH * (gap_ns - mean_ns)) if mean_ns else gap_ns
            # A gap in which nothing was in flight says nothing about how fast the server is.
            table.set_head(most_routine, most, mean_ns, now if others else 0)
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
                self._show(int(np.count_nonzero(table.counted(time.monotonic_ns()))))

    def rename(self, key: int, new_key: int, timeout_us: int) -> None:
        """Know a study by another key from now on, and for this long."""
        with self._locked() as table:
            if table is not None and (place := table.place(key)) is not None:
                end_ns = time.monotonic_ns() + timeout_us * 1000
                table.slots[place] = new_key, end_ns, table.slots["state"][place]

    def waits(self, key: int) -> None:
        """Note that the study is worked on and comes to the step that all wait for; if it is urgent, it is `NEXT`."""
        self._turn(key, URGENT, NEXT)

    def begins(self, key: int) -> None:
        """Note that the study does not wait for that step: it has begun, or something else comes before it."""
        self._turn(key, NEXT, URGENT)

    def urgent(self) -> dict[int, int]:
        """Keys and states of all urgent studies. Read without the lock: it may be so no more."""
        if self._table is None and not self._open():
            return {}
        assert self._table is not None
        found = self._table.slots[_within(self._table.slots["state"], _URGENT)]
        now = time.monotonic_ns()
        return {key: state for key, until_ns, state in found.tolist() if until_ns >= now}

    def _turn(self, key: int, before: int, after: int) -> None:
        with self._locked() as table:
            if table is None or (place := table.place(key)) is None:
                return
            if table.slots["state"][place] == before:
                table.slots["state"][place] = after

    def state(self, key: int) -> int:
        """`EMPTY` if the study was not taken, `TAKEN`, `URGENT`, `NEXT`, or `LEFT` by its caller."""
        with self._locked() as table:
            if table is None or (place := table.place(key)) is None:
                return EMPTY
            state = int(table.slots["state"][place])
            return EMPTY if state in _OUTSIDE else state

    def _set(self, key: int, state: int) -> int:
        with self._locked() as table:
            if table is None:
                return 0
            place = table.place(key)
            if place is not None:
                until_ns = table.slots["until_ns"][place]
                table.slots[place] = (key, until_ns, state) if state else (0, 0, EMPTY)
            others = int(np.count_nonzero(table.counted(time.monotonic_ns())))
            if place is not None:
                self._show(others)
            return others

    @contextmanager
    def _locked(self) -> Iterator[_Table | None]:
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
        size = _HEAD.size + _SLOTS * _SLOT.itemsize
        try:
            self._handle = os.open(self._path, os.O_RDWR | os.O_CLOEXEC | os.O_CREAT, 0o600)
            if os.fstat(self._handle).st_size < size:
                os.ftruncate(self._handle, size)
            memory = mmap.mmap(self._handle, size)
        except (OSError, ValueError):
            return False
        self._table = _Table(memory, np.frombuffer(memory, _SLOT, _SLOTS, _HEAD.size))
        return True


@dataclass(frozen=True)
class _Seen:
    """See what a study finds that asks for room: where it stands itself, and how many others there are.

    place, spare
        Its own slot, or else a free one; and one of a study that was refused and may come again.
    """

    place: int | None
    state: int
    spare: int | None
    taken: int
    routine: int
    waiting: int

    @classmethod
    def by(cls, key: int, table: _Table, now_ns: int) -> "_Seen":
        """Look through the table, and take out what has ended."""
        state = table.slots["state"]
        state[table.slots["until_ns"] < now_ns] = EMPTY
        place = table.place(key)
        own = EMPTY if place is None else int(state[place])
        counts = np.bincount(state, minlength=WAITING + 1)
        counts[own] -= 1
        return cls(
            place=_first(state == EMPTY) if place is None else place,
            state=own,
            spare=_first(_within(state, _OUTSIDE)),
            taken=int(counts[list(_COUNTED)].sum()),
            routine=int(counts[TAKEN]),
            waiting=int(counts[WAITING]),
        )

    def has_room(self, most_routine: int, most: int, *, urgent: bool) -> bool:
        """Tell whether it is taken.

        Who has asked before takes what is free; the others, what is left when all of these have theirs.
        """
        if self.state in _COUNTED:
            return True
        before_it = 0 if self.state in _OUTSIDE else self.waiting
        return self.taken < most and (urgent or self.routine + before_it < most_routine)


def _within(state: NDArray[np.int64], states: range) -> NDArray[np.bool_]:
    """Tell where the state is one of these."""
    return (state >= states.start) & (state < states.stop)


def _first(where: NDArray[np.bool_]) -> int | None:
    """Return the first place where something is so."""
    place = int(np.argmax(where))
    return place if where[place] else None


def _advice_s(taken: int, waiting: int, mean_ns: int) -> float:
    """Tell when to ask again: by then half of the studies and as many as are waiting will have been answered."""
    return min(LONGEST_ADVICE_S, max(LEAST_ADVICE_S, (taken / 2 + waiting) * mean_ns / 1e9))


def key_at(first_mark_ns: int) -> int:
    """The key of a request without an id: even, unlike `key_of`, from the clock that its Python steps hand on."""
    return (first_mark_ns << 1) & (2**64 - 1)


STUDIES = Studies(TABLE.with_name(f"{TABLE.name}-studies"), load_metrics.show_in_flight)
"""The table of the server that this process belongs to."""
