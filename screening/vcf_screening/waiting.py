# SPDX-License-Identifier: Apache-2.0
"""Studies that are to be tried again, each after a pause that doubles."""

import heapq
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

from vcf_client.gateway.backoff import Backoff
from vcf_screening.failures import Failure
from vcf_screening.manifest import Entry


@dataclass
class Attempt:
    """A study, and how often it was tried.

    attempts
        All of them.
    counted
        Those that count towards giving it up: not those in vain while nothing else could be reached either.
    answered_before
        How many studies of the run had an answer when it was given out.
    """

    study: str
    entry: Entry = field(repr=False)
    attempts: int = 0
    counted: int = 0
    answered_before: int = 0

    def failed(self, failure: Failure, answered: int) -> None:
        """Count an attempt that came to nothing, ``answered`` of the run having an answer now."""
        if not failure.unreachable or answered > self.answered_before:
            self.counted += 1


class Waiting:
    """Attempts by the time at which they are due."""

    def __init__(self, backoff: Backoff) -> None:
        self._backoff = backoff
        self._heap: list[tuple[float, int, Attempt]] = []
        self._order = itertools.count()

    def __len__(self) -> int:
        return len(self._heap)

    def put(self, attempt: Attempt, now_s: float) -> None:
        """Keep one until its pause is over."""
        due_s = now_s + self._backoff.delay_s(attempt.attempts)
        heapq.heappush(self._heap, (due_s, next(self._order), attempt))

    def due(self, now_s: float) -> Iterator[Attempt]:
        """Those whose pause is over, one by one; each is the caller's once it is given out."""
        while self._heap and self._heap[0][0] <= now_s:
            yield heapq.heappop(self._heap)[2]

    def next_s(self, now_s: float) -> float | None:
        """Seconds until the next is due; None if there is none."""
        return max(0.0, self._heap[0][0] - now_s) if self._heap else None
