# SPDX-License-Identifier: Apache-2.0
"""How often and after how long a pause a request is sent again."""

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Retry:
    """Exponential backoff with full jitter: before attempt n + 1 a random pause of up to ``first_s`` · 2ⁿ⁻¹.

    Only what the server has not begun is sent again: no connection came about, its queue was full, its model was not
    ready. Never a refused study, never after a deadline, never when a connection broke with a request under way.
    With several servers, an attempt is one round of them. A pause that would reach past the deadline is not begun.

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

    def pause_s(self, failed: int) -> float:
        """A pause after this many failed attempts."""
        return random.uniform(0, min(self.longest_s, self.first_s * 2.0 ** min(failed - 1, 60)))


NO_RETRY = Retry(attempts=1)
