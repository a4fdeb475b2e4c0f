# SPDX-License-Identifier: Apache-2.0
"""Tell how fast a run goes, and how long it will take."""

import time
from collections import deque

from vcf_screening.run import Progress

_OVER_S = 300.0


class Rate:
    """Studies a second over the last minutes."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def note(self, done: int) -> None:
        """Take the number of studies done by now."""
        now_s = time.monotonic()
        self._seen.append((now_s, done))
        while now_s - self._seen[0][0] > _OVER_S:
            self._seen.popleft()

    @property
    def per_s(self) -> float:
        """0 while it is not known."""
        if len(self._seen) < 2 or self._seen[-1][0] == self._seen[0][0]:
            return 0.0
        (first_s, first), (last_s, last) = self._seen[0], self._seen[-1]
        return (last - first) / (last_s - first_s)


def described(done: Progress, rate: Rate) -> str:
    """Words for how a run stands."""
    left = done.total - done.before - done.answered - done.failed
    words = [f"{rate.per_s:.2f} a second"]
    if rate.per_s > 0:
        words.append(f"{in_words(left / rate.per_s)} left")
    words.append(f"{done.positive} positive, {done.refused} refused, {done.failed} failed")
    if done.waiting:
        words.append(f"{done.waiting} wait for another attempt")
    if done.closed_s:
        words.append(f"the window opens in {in_words(done.closed_s)}")
    return ", ".join(words)


def in_words(seconds: float) -> str:
    """A length of time with its unit."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
