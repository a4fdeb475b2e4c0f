# SPDX-License-Identifier: Apache-2.0
"""Analyse many studies, some at a time, and write a line of CSV for each patch of interest.

usage: python examples/many_studies.py CSV_FILE SERVER STUDY [STUDY ...]
"""

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

from vcf_client import Findings, VcfClient
from vcf_client.memory import keep_large_blocks

COLUMNS = ("study", "outcome", "study_score", "from_head", "patch_score", "z_low_mm", "z_high_mm")


def rows(findings: Findings) -> Iterator[tuple[object, ...]]:
    """Own post-processing: all patches within 0.1 of the threshold, head to feet; none gives one empty row."""
    near = [(i, p) for i, p in enumerate(findings.patches, 1) if p.score >= findings.threshold - 0.1]
    for number, patch in near:
        yield number, round(patch.score, 3), round(patch.box_mm[0][2], 1), round(patch.box_mm[1][2], 1)
    if not near:
        yield ("",) * 4


def main(path: str, server: str, *studies: str) -> None:
    keep_large_blocks()  # before threads start: studies of tens of megabytes use the same memory again
    with Path(path).open("w", newline="", encoding="utf-8") as file, VcfClient(server) as client:
        (table := csv.writer(file)).writerow(COLUMNS)
        for outcome in client.analyze_many(studies, concurrency=4, progress=lambda done: print(done, "done")):
            if (found := outcome.findings) is None:  # one that fails does not stop the others
                table.writerow((outcome.number, getattr(outcome.error, "code", "FAILED")))
                continue
            called = "positive" if found.positive else "negative"
            table.writerows((outcome.number, called, round(found.study_score, 3), *row) for row in rows(found))


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
