# SPDX-License-Identifier: Apache-2.0
"""Tell how long to wait before the next attempt."""

import random
from dataclasses import dataclass

from vcf_client.retry import doubled


@dataclass(frozen=True)
class Backoff:
    """Twice as long after each failure, up to a bound, and a little by chance so that many do not come at once."""

    first_s: float
    longest_s: float

    def delay_s(self, attempts: int) -> float:
        """The pause after that many attempts, 1 or more."""
        return doubled(self.first_s, self.longest_s, attempts) * random.uniform(0.8, 1.2)
