# SPDX-License-Identifier: Apache-2.0
"""The page of the drills, from the figures that were kept: ``python -m vcf_benchmarks.drills --keep`` rewrites it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vcf_benchmarks.drills.figures import Line
from vcf_benchmarks.harness.machine import ROOT

FIGURES = ROOT / "benchmarks" / "results" / "drills" / "figures.json"
PAGE = ROOT / "docs" / "drills.md"
BEGIN, END = "<!-- figures: make drills KEEP=1 -->", "<!-- end of figures -->"
TITLES = {
    "fuzz": "Odd requests",
    "damaged": "Damaged files",
    "bombs": "Bombs",
    "gateway": "A gateway among strangers",
    "stop": "Stopping",
    "kills": "Kill −9",
    "soak": "An hour of work",
}


def keep(
    name: str, lines: Sequence[Line], about: Mapping[str, Any], figures: Path = FIGURES, page: Path = PAGE
) -> None:
    """Keep the figures of one drill in place of its last ones, and write the page anew."""
    kept: dict[str, Any] = json.loads(figures.read_text("utf-8")) if figures.is_file() else {}
    kept[name] = {**about, "lines": [line.plain() for line in lines]}
    figures.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", "utf-8")
    write(kept, page)


def write(kept: Mapping[str, Any], page: Path = PAGE) -> None:
    """Put the tables between the marks of the page."""
    text = page.read_text("utf-8")
    start, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    tables = "\n".join(section(name, kept[name]) for name in TITLES if name in kept)
    page.write_text(f"{text[:start]}\n{tables}{text[end:]}", "utf-8")


def section(name: str, drill: Mapping[str, Any]) -> str:
    """A drill's heading, its conditions and its table."""
    machine = drill["machine"]
    how = "in full" if drill["full"] else "in its short form"
    note = f" {drill['note']}" if drill.get("note") else ""
    lines = [
        f"### {TITLES[name]}",
        "",
        f"`make drills DRILLS={name}{' FULL=1' * drill['full']}`, {how}: {machine['processor']}, "
        f"{machine['cores']} cores, commit {drill['commit']}.{note}",
        "",
        "| | before | now | goal | |",
        "|---|---|---:|---:|---|",
        *(_row(Line(**each)) for each in drill["lines"]),
        "",
    ]
    return "\n".join(lines)


def _row(line: Line) -> str:
    goal = "" if line.goal is None else f"{'≤ ' * bool(line.goal)}{line.goal:g}"
    return f"| {line.what} | {line.before} | {line.value:g} {line.unit} | {goal} | {'' if line.met else 'missed'} |"
