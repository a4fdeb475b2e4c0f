# SPDX-License-Identifier: Apache-2.0
"""Tell how often and after how long a pause a request is sent again."""

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Retry:
    """Exponential backoff with full jitter: before attempt n + 1 a random pause of up to ``first_s`` · 2ⁿ⁻¹.

    A request is sent again if no connection came about or it broke, if the server was full, and if it was starting,
    stopping or unloading its models. That is safe with a request under way, too: an analysis changes nothing on the
    server. Never a refused study, never after a deadline. With several servers, an attempt is one round of them,
    without a pause between one server and the next. A pause that would reach past the deadline is not begun.
    While all servers are full and say when to come again, they are asked at about those times until the deadline,
    whatever ``attempts`` is, unless that is 1.

    attempts
        At least 1, which means no retry.
    first_s, longest_s
        Longest pause after the first attempt, and after any.

    References
    ----------
    M. Brooker, *Exponential Backoff and Jitter*, AWS Architecture Blog, 2015.
    """

    attempts: int = 5
    first_s: float = 0.2
    longest_s: float = 5.0

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError(f"attempts is {self.attempts!r}, it must be at least 1")
        if not 0 < self.first_s <= self.longest_s < float("inf"):
            raise ValueError(
                f"first_s is {self.first_s!r} and longest_s {self.longest_s!r}; 0 < first_s ≤ longest_s is accepted"
            )

    def pause_s(self, failed: int, after_s: float | None = None) -> float:
        """A pause after this many failed attempts; not before half of the time that a full server asks for."""
        pause_s = random.uniform(0, doubled(self.first_s, self.longest_s, failed))
        return pause_s if after_s is None else max(pause_s, min(self.longest_s, after_s * random.uniform(0.5, 1.5)))


def doubled(first_s: float, longest_s: float, failed: int) -> float:
    """``first_s`` after one failure, twice as long after each further one, and never longer than ``longest_s``."""
    return min(longest_s, first_s * 2.0 ** min(failed - 1, 60))


NO_RETRY = Retry(attempts=1)
