# SPDX-License-Identifier: Apache-2.0
"""The README's figures, taken from the committed results: ``python -m benchmarks.readme`` writes them anew."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.page import shown
from benchmarks.result import CHANGES, REFERENCE, ROOT

README = ROOT / "README.md"
BEGIN, END = "<!-- figures: python -m benchmarks.readme -->", "<!-- end of figures -->"
NONE = "No results of these are committed yet: run the commands of [docs/benchmarks.md](docs/benchmarks.md)."
KINDS = ("floor", "tax", "peers", "sizes", "preprocess")
"""Results whose targets stand in the README, in this order."""


def main() -> None:
    """Write the table between the marks in the README."""
    README.write_text(replaced(README.read_text("utf-8"), table(results(REFERENCE))), "utf-8")


def results(folder: Path) -> list[dict[str, Any]]:
    """Committed results of the kinds that the README quotes.

    Raises
    ------
    ValueError
        If one broke a validity rule, for its figures mean nothing; or if it is of code that no commit holds.
    """
    found = []
    for kind in KINDS:
        path = folder / f"{kind}.json"
        if not path.is_file():
            continue
        document = json.loads(path.read_text("utf-8"))
        if not document["valid"]:
            raise ValueError(f"{path.name} does not hold and cannot be quoted: {'; '.join(document['broken_rules'])}")
        if not document["commit"] or document["commit"].endswith(CHANGES):
            raise ValueError(f"{path.name} is of code that no commit holds, and cannot be quoted")
        found.append(document)
    return found


def table(documents: Iterable[dict[str, Any]]) -> str:
    """One row a target, its command beside it, and the machine below."""
    documents = list(documents)
    if not documents:
        return NONE
    rows = ["| figure | value | goal | |", "|---|---:|---:|---|"]
    for document in documents:
        for target in document["targets"]:
            sign = "≤" if target["at_most"] else "≥"
            verdict = "" if target["met"] else "missed"
            rows.append(
                f"| {target['name']} (`{document['kind']}`) | {shown(rounded(target['value']))} "
                f"| {sign} {shown(target['goal'])} | {verdict} |"
            )
    machines = {f"{d['machine']['processor']}, {d['machine']['cores']} cores, no GPU" for d in documents}
    return "\n".join([*rows, "", f"Measured on: {'; '.join(sorted(machines))}."])


def rounded(value: float) -> float:
    """Three significant digits: more would differ in the next run."""
    return float(f"{value:.3g}")


def replaced(readme: str, figures: str) -> str:
    """The README with other figures between the marks."""
    before, found, rest = readme.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not found or not ended:
        raise ValueError(f"README has no place for figures: {BEGIN} … {END}")
    return f"{before}{BEGIN}\n{figures}\n{END}{after}"


if __name__ == "__main__":
    main()
