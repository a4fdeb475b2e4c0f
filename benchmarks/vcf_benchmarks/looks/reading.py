# SPDX-License-Identifier: Apache-2.0
"""``vcf bench read``: time and processor time of reading a series by transfer syntax, the pixels being the same."""

import argparse
import copy
import statistics
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

from vcf_benchmarks.harness import options
from vcf_benchmarks.harness.machine import machine
from vcf_benchmarks.harness.processes import spent
from vcf_benchmarks.harness.studies import demo_series
from vcf_benchmarks.harness.timing import counted_rounds, summary
from vcf_client.reader import read_study

SYNTAXES: dict[str, UID] = {
    "uncompressed": ExplicitVRLittleEndian,
    "JPEG-LS": JPEGLSLossless,
    "JPEG 2000": JPEG2000Lossless,
    "RLE": RLELossless,
}
DISTINCT_SLICES = 24
"""So many are encoded; the series repeats them, for encoding takes longer than anything that is measured."""
SLICE_MM = 1.0
LEAST_SLICES = 120
"""A shorter scan is refused when it is read."""


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measure a series of the size that the options name."""
    options.at_least(args, slices=LEAST_SLICES, runs=1)
    options.positive(args, "workers")
    return measure(args.slices, args.runs, args.workers)


def table(figures: Mapping[str, Any]) -> list[str]:
    """Return a line for each transfer syntax."""
    volume, cores = " × ".join(map(str, figures["volume"])), figures["machine"]["cores"]
    lines = [
        f"volume {volume}, {figures['runs']} rounds, {cores} cores; files in the page cache",
        f"{'pixels':<14}{'MB':>8}{'wall ms, min':>14}{'median':>9}{'max':>9}{'CPU ms':>9}",
    ]
    for name, cost in figures["syntaxes"].items():
        wall = cost["wall"]
        lines.append(
            f"{name:<14}{cost['bytes'] / 1e6:>8.1f}{wall['min_ms']:>14.0f}{wall['median_ms']:>9.0f}"
            f"{wall['max_ms']:>9.0f}{cost['cpu_median_ms']:>9.0f}"
        )
    return lines


def measure(n_slices: int, runs: int, workers: int | None = None) -> dict[str, Any]:
    """Return wall and processor time of ``read_study`` for each syntax, in turn, after one uncounted round.

    The files are in the page cache: what is measured is parsing, decoding and checking, not the disk.
    """
    with TemporaryDirectory(prefix="vcf-bench-") as folder:
        sizes = {name: _write(Path(folder) / name, n_slices, syntax) for name, syntax in SYNTAXES.items()}
        wall_ms: dict[str, list[float]] = {name: [] for name in SYNTAXES}
        cpu_ms: dict[str, list[float]] = {name: [] for name in SYNTAXES}
        first = None
        for counted in counted_rounds(runs):
            for name in SYNTAXES:
                took = spent(partial(read_study, Path(folder) / name, workers=workers), None)
                pixels = took.value.volume.hu
                first = pixels if first is None else first
                if not np.array_equal(first, pixels):
                    raise AssertionError(f"{name} gives other pixels")
                if counted:
                    wall_ms[name].append(took.wall_ms)
                    cpu_ms[name].append(took.client_s * 1e3)
        assert first is not None
        return {
            "volume": list(first.shape),
            "runs": runs,
            "machine": machine(),
            "syntaxes": {
                name: {
                    "bytes": sizes[name],
                    "wall": summary(wall_ms[name]),
                    "cpu_median_ms": round(statistics.median(cpu_ms[name]), 3),
                }
                for name in SYNTAXES
            },
        }


def _write(folder: Path, n_slices: int, syntax: UID) -> int:
    """Write a series with pixels of LIDC-IDRI-0001, one file a slice, and return its size in bytes."""
    folder.mkdir()
    encoded = list(_encoded(min(DISTINCT_SLICES, n_slices), syntax))
    series_uid = generate_uid(prefix=None)
    size = 0
    for number in range(n_slices):
        image = copy.copy(encoded[number * len(encoded) // n_slices])
        image.SeriesInstanceUID = series_uid
        image.SOPInstanceUID = generate_uid(prefix=None)
        image.file_meta = copy.copy(image.file_meta)
        image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
        image.InstanceNumber = number + 1
        x, y, _ = image.ImagePositionPatient
        image.ImagePositionPatient = [x, y, number * SLICE_MM]
        image.SliceThickness = SLICE_MM
        path = folder / f"{number:04}.dcm"
        image.save_as(path, enforce_file_format=True)
        size += path.stat().st_size
    return size


def _encoded(n: int, syntax: UID) -> Iterator[Dataset]:
    paths = sorted(demo_series().rglob("*.dcm"))
    for place in np.linspace(0, len(paths) - 1, n).astype(int):
        image = dcmread(paths[place])
        if syntax != ExplicitVRLittleEndian:
            image.compress(syntax, generate_instance_uid=False)
        yield image
