# SPDX-License-Identifier: Apache-2.0
"""Hours of the day in which studies are begun, by this machine's clock."""

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta

_FORM = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True)
class Window:
    """It lasts from ``start`` to ``end``, over midnight if need be."""

    start: time
    end: time

    @classmethod
    def parse(cls, text: str) -> "Window":
        """Read ``20:00-06:00``; ValueError for anything else, and for an empty one."""
        found = _FORM.fullmatch(text)
        if not found or found[1] + found[2] == found[3] + found[4]:
            raise ValueError(f"{text!r} is no window; accepted is one such as 20:00-06:00")
        hours = [int(part) for part in found.groups()]
        return cls(time(hours[0], hours[1]), time(hours[2], hours[3]))

    def wait_s(self, now: datetime) -> float:
        """Seconds until it opens; 0 inside."""
        clock = now.time()
        over_midnight = self.end < self.start
        begun, not_over = clock >= self.start, clock < self.end
        if (begun or not_over) if over_midnight else (begun and not_over):
            return 0.0
        opens = datetime.combine(now.date(), self.start)
        return ((opens if clock < self.start else opens + timedelta(days=1)) - now).total_seconds()

    @property
    def hours_a_day(self) -> float:
        """Tell how long it is open each day."""
        minutes = (self.end.hour - self.start.hour) * 60 + self.end.minute - self.start.minute
        return (minutes % (24 * 60)) / 60
