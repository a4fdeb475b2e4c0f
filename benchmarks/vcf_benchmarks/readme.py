# SPDX-License-Identifier: Apache-2.0
"""Figures of README and docs, from the committed results: ``python -m vcf_benchmarks.readme`` writes them anew."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vcf_benchmarks.harness import schema
from vcf_benchmarks.harness.machine import CHANGES, ROOT
from vcf_benchmarks.harness.page import shown
from vcf_benchmarks.harness.result import REFERENCE
from vcf_benchmarks.kinds import KINDS

README, PAGE = ROOT / "README.md", ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- figures: python -m vcf_benchmarks.readme -->", "<!-- end of figures -->"
NONE = "No results of these are committed yet: run the commands of [docs/benchmarks.md](docs/benchmarks.md)."


@dataclass(frozen=True)
class Figure:
    """A row of the table: words for a stranger, and the target of a kind's result that it shows."""

    words: str
    kind: str
    target: str


FIGURES = (
    Figure("serving overhead: p50 of a study over the same in one process", "overhead",
           "serving overhead, p50 crop over in one process"),
    Figure("studies a second at saturation over the same in one process", "overhead",
           "throughput at saturation, crop over in one process"),
    Figure("studies a second at saturation over FastAPI with ONNX Runtime", "peers",
           "throughput at saturation over FastAPI"),
    Figure("server memory for a study in flight over the bytes sent", "sizes",
           "server memory a study in flight over bytes sent, crop"),
    Figure("seconds from `vcf serve` to a server that is ready", "floor",
           "server ready after the command, s"),
)  # fmt: skip
"""The rows, among them goals that were missed."""


def main() -> None:
    """Write the tables between the marks in README and ``docs/benchmarks.md``."""
    README.write_text(replaced(README.read_text("utf-8"), table(results(REFERENCE))), "utf-8")
    PAGE.write_text(replaced(PAGE.read_text("utf-8"), goals(results(REFERENCE, tuple(KINDS)))), "utf-8")


def results(folder: Path, kinds: Iterable[str] | None = None) -> dict[str, dict[str, Any]]:
    """Read the committed results of some kinds, by default of those that the README quotes, by kind.

    Raises
    ------
    ValueError
        If one broke a validity rule, for its figures mean nothing; or if it is of code that no commit holds.
    """
    found = {}
    for kind in kinds or dict.fromkeys(figure.kind for figure in FIGURES):
        path = folder / f"{kind}.json"
        if not path.is_file():
            continue
        document = schema.read(path)
        if not document["valid"]:
            raise ValueError(f"{path.name} does not hold and cannot be quoted: {'; '.join(document['broken_rules'])}")
        if not document["commit"] or document["commit"].endswith(CHANGES):
            raise ValueError(f"{path.name} is of code that no commit holds, and cannot be quoted")
        found[kind] = document
    return found


def table(documents: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a row for each figure, its benchmark beside it, and the machine below.

    Raises
    ------
    ValueError
        If a result lacks a target that is quoted.
    """
    if not documents:
        return NONE
    rows = ["| figure | value | goal | |", "|---|---:|---:|---|"]
    for figure in FIGURES:
        if figure.kind in documents:
            target = _target(documents[figure.kind], figure)
            sign, verdict = "≤" if target["at_most"] else "≥", "" if target["met"] else "missed"
            value, goal = shown(rounded(target["value"])), shown(target["goal"])
            rows.append(f"| {figure.words} (`{figure.kind}`) | {value} | {sign} {goal} | {verdict} |")
    machines = {f"{d['machine']['processor']}, {d['machine']['cores']} cores, no GPU" for d in documents.values()}
    return "\n".join([*rows, "", f"Measured on: {'; '.join(sorted(machines))}."])


def goals(documents: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a row for every figure that has a goal, with the commit that it was measured at."""
    rows = ["| benchmark | commit | figure | value | goal | |", "|---|---|---|---:|---:|---|"]
    for kind, document in documents.items():
        for target in document["targets"]:
            sign, verdict = "≤" if target["at_most"] else "≥", "" if target["met"] else "missed"
            value, goal = shown(rounded(target["value"])), shown(target["goal"])
            commit = f"`{document['commit'][:7]}`"
            rows.append(f"| `{kind}` | {commit} | {target['name']} | {value} | {sign} {goal} | {verdict} |")
    return "\n".join(rows)


def _target(document: Mapping[str, Any], figure: Figure) -> Mapping[str, Any]:
    for target in document["targets"]:
        if target["name"] == figure.target:
            return dict(target)
    names = ", ".join(repr(target["name"]) for target in document["targets"])
    raise ValueError(f"the result of {figure.kind} has no target {figure.target!r}; it has {names}")


def rounded(value: float) -> float:
    """Return three significant digits: more would differ in the next run."""
    return float(f"{value:.3g}")


def replaced(readme: str, figures: str) -> str:
    """Return a text with other figures between the marks."""
    before, found, rest = readme.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not found or not ended:
        raise ValueError(f"the text has no place for figures: {BEGIN} … {END}")
    return f"{before}{BEGIN}\n{figures}\n{END}{after}"


if __name__ == "__main__":
    main()
