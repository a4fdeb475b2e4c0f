# SPDX-License-Identifier: Apache-2.0
"""Tell what a drill found: lines with a figure each, and a goal where there is one."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Line:
    """One figure of a drill.

    goal
        The most that the figure may be; None if it is only told.
    before
        The figure that the issue had before the product was changed for it; empty if it was never taken.
    """

    drill: str
    what: str
    value: float
    goal: float | None = None
    unit: str = ""
    before: str = ""

    @property
    def met(self) -> bool:
        """Tell whether it is within its goal."""
        return self.goal is None or self.value <= self.goal

    def plain(self) -> dict[str, Any]:
        """Give it as JSON holds it."""
        return asdict(self)
