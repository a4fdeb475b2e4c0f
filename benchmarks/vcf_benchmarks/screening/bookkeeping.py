# SPDX-License-Identifier: Apache-2.0
"""Tell what a study costs beside its analysis: a long list, and an analysis that is nothing."""

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from vcf_benchmarks.screening import nothing
from vcf_benchmarks.screening.goals import DONE_BEFORE, EARLY
from vcf_screening import manifest
from vcf_screening.dataset import ROWS_A_PART

Line = dict[str, float]


def measure(count: int, workers: int) -> dict[str, Any]:
    """Screen a list of so many rows, take the last quarter back, and go on."""
    with tempfile.TemporaryDirectory(prefix="vcf-bench-") as folder:
        path, out = Path(folder, "list.parquet"), Path(folder, "out")
        manifest.write(nothing.entries(count), path)
        whole = _run(path, out, workers)
        parts = sorted((out / "studies").glob("part-*.parquet"))
        for part in parts[int(count * DONE_BEFORE) // ROWS_A_PART :]:
            part.unlink()
        again = _run(path, out, workers)
    return figures_of(count, whole, again)


def figures_of(count: int, whole: list[Line], again: list[Line]) -> dict[str, Any]:
    """Return what the lines of a run over the list, and of one that went on, amount to.

    ``listed_s`` is when the driver knew what is done, ``start_s`` when the first row came: Ray starts in between.
    """
    first, last = (next(line for line in whole if line["answered"] >= n) for n in (1, count))
    early, late = _memory(whole, EARLY * count, 2 * EARLY * count), _memory(whole, (1 - EARLY) * count, count)
    return {
        "rows": count,
        "overhead_ms": 1e3 * (last["s"] - first["s"]) / count,
        "driver_core_ms": 1e3 * (last["core_s"] - first["core_s"]) / count,
        "start_s": first["s"],
        "memory_early_mib": early,
        "memory_late_mib": late,
        "memory_growth": late / early,
        "listed_s": again[0]["s"],
        "resumption_s": next(line["s"] for line in again if line["answered"]),
        "answered_after_resumption": again[-1]["answered"],
    }


def _memory(lines: list[Line], start: float, end: float) -> float:
    """Median of the resident memory while so many were answered, MiB."""
    return statistics.median(line["rss"] for line in lines if start <= line["answered"] <= end) / 2**20


def _run(path: Path, out: Path, workers: int) -> list[Line]:
    command: list[Any] = [sys.executable, "-m", nothing.__name__, path, out, str(workers)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith(b"{")]
