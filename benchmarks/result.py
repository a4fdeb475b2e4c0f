# SPDX-License-Identifier: Apache-2.0
"""What a benchmark leaves behind: one JSON that says how it came to be, what it reached and whether it holds."""

import json
import os
import platform
import subprocess
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.page import Section, write_page
from benchmarks.validity import unstable
from benchmarks.windows import COUNTED

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = Path(__file__).parent / "results"
"""Committed results of one named machine; the README's figures come from here."""
LOCAL = REFERENCE / "local"
"""Where a run leaves its page and JSON unless told otherwise; not in version control."""
CHANGES = "+changes"
"""Ends a commit whose tree was changed."""
PACKAGES = ("numpy", "scipy", "openvino", "onnxruntime", "tritonclient", "nvidia-pytriton", "grpcio", "vcf-triton")


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
        """Whether the figure reaches its goal."""
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
        """As it stands in the JSON."""
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
    sections
        Tables and plots of the page; not part of the JSON.
    pictures
        PNG files that are written beside the JSON, by what comes after its name: ``waterfall-crop.png``.
    """

    kind: str
    settings: dict[str, Any]
    figures: dict[str, Any] = field(default_factory=dict)
    histograms: dict[str, Any] = field(default_factory=dict)
    targets: list[Target] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    pictures: dict[str, bytes] = field(default_factory=dict)
    started: float = field(default_factory=time.time)
    load_before: tuple[float, float, float] = field(default_factory=os.getloadavg)

    @property
    def valid(self) -> bool:
        """Whether no validity rule was broken."""
        return not self.broken_rules

    @property
    def broken_rules(self) -> list[str]:
        """All of them, those about targets included."""
        return [*self.broken, *(rule for target in self.targets if (rule := target.unsettled))]

    def document(self) -> dict[str, Any]:
        """The whole JSON."""
        return {
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
        """Write the JSON, by default into ``LOCAL``, page and pictures of its name beside it; where the JSON lies."""
        path = path or LOCAL / f"{self.kind}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        document = self.document()
        path.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
        write_page(document, self.sections, path.with_suffix(".html"))
        for name, png in self.pictures.items():
            path.with_name(f"{path.stem}-{name}.png").write_bytes(png)
        return path


def machine() -> dict[str, Any]:
    """The processor and memory that the figures belong to; nothing that names the host."""
    info = Path("/proc/cpuinfo").read_text("utf-8") if Path("/proc/cpuinfo").exists() else ""
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in info.splitlines())}
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": fields.get("model name", platform.machine()),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
    }


def versions() -> dict[str, str]:
    """Of Python and the packages that decide about speed."""
    return {"python": platform.python_version(), **installed(PACKAGES)}


def installed(packages: Iterable[str]) -> dict[str, str]:
    """Versions of those of the packages that are here."""
    found = {}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def commit() -> str | None:
    """The commit measured, with ``+changes`` where the tree differs from it; None outside a checkout."""
    try:
        head = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.strip()
        dirty = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
    return head + (CHANGES if dirty else "")
