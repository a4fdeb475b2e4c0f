# SPDX-License-Identifier: Apache-2.0
"""How long a measurement goes on: until its last three windows agree.

The rule of NVIDIA's perf_analyzer: window after window is measured, the figures are those of the last three, and a
measurement whose windows never agree does not hold. What agreement is, the caller says; it must not depend on whether
the figures please.
"""

from collections.abc import Callable, MutableSequence
from typing import Any

COUNTED = 3
MOST = 9
"""Windows, unless they are long."""


def until_settled(measure: Callable[[], None], unsettled: Callable[[], bool], most: int = MOST) -> int:
    """Measure windows until ``unsettled`` says no of the last three, or there are ``most``; how many there were."""
    if most < COUNTED:
        raise ValueError(f"most is {most}, it must be {COUNTED} or more")
    for number in range(1, most + 1):
        measure()
        if number >= COUNTED and not unsettled():
            break
    return number


def rounds_of(runs: int) -> int:
    """How many rounds a window has, where three of them shall hold about ``runs``."""
    return max(1, round(runs / COUNTED))


def forget(rounds: int, *series: MutableSequence[Any]) -> None:
    """Keep the last three windows of each series, in place."""
    for values in series:
        del values[: -COUNTED * rounds]
