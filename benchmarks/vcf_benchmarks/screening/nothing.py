# SPDX-License-Identifier: Apache-2.0
"""The driver of a screening whose analysis is nothing, in a process of its own that tells how it goes."""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from vcf_screening import rows
from vcf_screening.manifest import Entry
from vcf_screening.run import Plan, Progress
from vcf_screening.screening import Source, screen
from vcf_screening.work import Result, Settings

WEIGHTS = "0" * 64
_PATCH = {"probability": 0.1, "score": 0.1, "positive": False, "location": 0.5, "box_mm": [0.0] * 6}
_ROW = {
    "series": "0" * 16,
    "score": 0.1,
    "threshold": 0.4,
    "positive": False,
    "patches": [_PATCH] * 9,
    "code": None,
    "sentence": None,
    "kernel": "NONE",
}


def answer(study: str, entry: Entry, settings: Settings, turns: Any = None) -> Result:
    """A row of the usual size."""
    row = rows.answered_without_score(study, rows.ANALYSED, settings.model_hash, "", "")
    return Result({**row, **_ROW})


def entries(count: int) -> Iterator[Entry]:
    """A list of studies that are nowhere."""
    for number in range(count):
        uid = f"1.2.826.0.1.3680043.8.498.{number:039d}"
        yield Entry(uid, f"https://archive.example/dicom-web/studies/{uid}", 300)


def main(manifest: str, out: str, workers: str) -> None:
    """Screen a list; a line of JSON a second on standard output."""
    process, started_s = psutil.Process(), time.monotonic()

    def tell(done: Progress) -> None:
        line = {
            "s": time.monotonic() - started_s,
            "core_s": time.process_time(),
            "answered": done.answered,
            "rss": process.memory_info().rss,
        }
        print(json.dumps(line), flush=True)

    settings = Settings(("127.0.0.1:1",), b"", model_hash=WEIGHTS)
    screen(Source(manifest), Path(out), settings, Plan(), workers=int(workers), tell=tell, screen_one=answer)


if __name__ == "__main__":
    main(*sys.argv[1:])
