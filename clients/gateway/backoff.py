# SPDX-License-Identifier: Apache-2.0
"""How long to wait before the next attempt."""

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Backoff:
    """Twice as long after each failure, up to a bound, and a little by chance so that many do not come at once."""

    first_s: float
    longest_s: float

    def delay_s(self, attempts: int) -> float:
        """After that many attempts, 1 or more."""
        grown = self.first_s * 2.0 ** min(attempts - 1, 30)
        return float(min(grown, self.longest_s) * random.uniform(0.8, 1.2))
