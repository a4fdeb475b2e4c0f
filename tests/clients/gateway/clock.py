# SPDX-License-Identifier: Apache-2.0
"""A clock that goes when a test says so."""

import time

import pytest


class Clock:
    """Stands in for ``time`` in the modules that are given, from now on; everything else of it is as it was."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
        self._began, self._ahead_s = time.time(), 0.0
        for module in modules:
            monkeypatch.setattr(f"{module}.time", self)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._ahead_s += seconds

    def time(self) -> float:
        """Seconds since the epoch."""
        return self._began + self._ahead_s

    def monotonic(self) -> float:
        """Seconds since some time."""
        return 1000.0 + self._ahead_s
