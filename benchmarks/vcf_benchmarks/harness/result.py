# SPDX-License-Identifier: Apache-2.0
"""The result of a benchmark: one JSON that says how it came to be, what it reached and whether it holds."""

import json
import os
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vcf_benchmarks.harness.machine import ROOT, commit, machine, versions
from vcf_benchmarks.harness.validity import unstable
from vcf_benchmarks.harness.windows import COUNTED

SCHEMA = 2
"""Version of the JSON; `vcf_benchmarks.harness.schema` reads earlier ones."""
REFERENCE = ROOT / "benchmarks" / "results"
"""Committed results of one named machine; the README's figures come from here."""
LOCAL = REFERENCE / "local" if REFERENCE.is_dir() else Path("out/bench")
"""Where a run leaves page and JSON unless it is told another place; not in version control. Without a checkout it is
a folder below the current one."""


@dataclass(frozen=True)
class Target:
    """A figure with a goal; ``at_most`` false means that more is better.

    windows
        The same figure of every part of the run, in order, those that the value leaves out included.
    """

    name: str
    value: float
    goal: float
    at_most: bool = True
    windows: tuple[float, ...] = ()

    @property
    def met(self) -> bool:
        """Tell whether the figure reaches its goal."""
        return self._met(self.value)

    @property
    def unsettled(self) -> str | None:
        """The rule that is broken where the last windows do not agree and not all of them fall on one side."""
        if len(self.windows) < 2 or not unstable(self.windows[-COUNTED:], ""):
            return None
        if len({self._met(window) for window in self.windows}) == 1:
            return None
        return unstable(self.windows, f"{self.name} (goal {self.goal:g})")

    def _met(self, value: float) -> bool:
        return value <= self.goal if self.at_most else value >= self.goal

    def entry(self) -> dict[str, Any]:
        """Return the target as it stands in the JSON."""
        return {**asdict(self), "met": self.met}


@dataclass
class Result:
    """One run of one benchmark.

    Parameters
    ----------
    kind
        The word after ``vcf bench``.
    settings
        All that was asked for; the same settings on the same machine repeat the run.
    figures
        What was found, ready for JSON.
    histograms
        Raw distributions: name to encoded HDR histogram or to plain numbers.
    targets
        Figures with a goal.
    broken
        Validity rules that the run broke, a sentence each, without those that follow from the targets.
    """

    kind: str
    settings: dict[str, Any]
    figures: dict[str, Any] = field(default_factory=dict)
    histograms: dict[str, Any] = field(default_factory=dict)
    targets: list[Target] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.time)
    load_before: tuple[float, float, float] = field(default_factory=os.getloadavg)

    @property
    def valid(self) -> bool:
        """Tell whether no validity rule was broken."""
        return not self.broken_rules

    @property
    def broken_rules(self) -> list[str]:
        """All of them, those about targets included."""
        return [*self.broken, *(rule for target in self.targets if (rule := target.unsettled))]

    def document(self) -> dict[str, Any]:
        """Return the whole JSON. Pages and pictures are made of this alone."""
        return {
            "schema": SCHEMA,
            "kind": self.kind,
            "valid": self.valid,
            "broken_rules": self.broken_rules,
            "targets": [target.entry() for target in self.targets],
            "settings": self.settings,
            "figures": self.figures,
            "histograms": self.histograms,
            "machine": machine() | {"load_before": self.load_before, "load_after": os.getloadavg()},
            "versions": versions(),
            "commit": commit(),
            "seconds": round(time.time() - self.started, 1),
        }

    def write(self, path: Path | None = None) -> Path:
        """Write the JSON, by default into ``LOCAL``, and return where it lies."""
        path = path or LOCAL / f"{self.kind}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.document(), indent=2) + "\n", "utf-8")
        return path
