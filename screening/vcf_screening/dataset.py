# SPDX-License-Identifier: Apache-2.0
"""The result as a Parquet dataset that grows by whole files, and a journal of what is not in one yet.

A row is in the journal, on the disk, before its study counts as done. Full journals become parts: the part is written
beside its place and renamed, then its journal is removed. A part and the journal of its number hold the same rows, so
whatever moment the process is killed at, each row is there once. One process writes; a lock keeps others out.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from numpy.typing import NDArray

from vcf_contract.errors import SetupError
from vcf_screening import rows
from vcf_screening.rows import Row

STUDIES = "studies"
ROWS_A_PART, PART_S = 2000, 600.0
"""A part is written when its journal holds so many rows, or is so old."""
HASH = np.dtype("S16")
"""Keyed hashes, packed: 3 MB for 200,000 of them."""


class Dataset:
    """Rows in ``folder``; use it as a context manager.

    Raises
    ------
    SetupError
        From `__enter__`, if another process writes to the same folder.
    """

    def __init__(self, folder: Path, *, rows_a_part: int = ROWS_A_PART, part_s: float = PART_S) -> None:
        self._folder, self._journals = folder, folder.with_name(f".{folder.name}.journal")
        self._rows_a_part, self._part_s = rows_a_part, part_s
        self._number, self._count = 0, 0
        self._journal: BinaryIO | None = None
        self._since = time.monotonic()
        self._lock: BinaryIO | None = None

    def __enter__(self) -> "Dataset":
        self._folder.mkdir(parents=True, exist_ok=True)
        self._journals.mkdir(exist_ok=True)
        self._lock = (self._journals / "lock").open("wb")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise SetupError("another screening writes to the same folder; wait for it, or give another one") from None
        self._recover()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.flush()
        finally:
            if self._journal:
                self._journal.close()
            assert self._lock is not None
            self._lock.close()

    def add(self, new: Iterable[Row]) -> None:
        """Take rows; when this returns they are on the disk."""
        lines = [json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in new]
        if not lines:
            return
        if self._journal is None:
            self._journal = self._journal_path(self._number).open("ab")
        self._journal.write("".join(f"{line}\n" for line in lines).encode())
        self._journal.flush()
        os.fsync(self._journal.fileno())
        self._count += len(lines)
        if self._count >= self._rows_a_part or time.monotonic() - self._since > self._part_s:
            self.flush()

    def flush(self) -> None:
        """Make a part of what is in the journal."""
        if self._journal:
            self._journal.close()
            self._journal = None
            path = self._journal_path(self._number)
            _write(_journal_rows(path), self._part_path(self._number))
            path.unlink()
            self._count, self._number = 0, self._number + 1
        self._since = time.monotonic()

    def done(self, model_hash: str) -> NDArray[np.bytes_]:
        """Hashes of the studies that have a row for these weights, sorted; of parts, so `flush` comes first."""
        found = [np.empty(0, HASH)]
        if any(self._folder.glob("part-*.parquet")):
            scanner = open_dataset(self._folder).scanner(columns=["study"], filter=ds.field("model_hash") == model_hash)
            found += [packed(batch.column("study").to_pylist()) for batch in scanner.to_batches()]
        return np.sort(np.concatenate(found))

    def clear(self) -> None:
        """Forget all rows of parts."""
        for path in self._folder.glob("part-*.parquet"):
            path.unlink()

    def _recover(self) -> None:
        for partial in self._folder.glob(".*.partial"):
            partial.unlink()
        for path in sorted(self._journals.glob("part-*.jsonl")):
            if not (part := self._folder / f"{path.stem}.parquet").exists() and (kept := _journal_rows(path)):
                _write(kept, part)
            path.unlink()
        numbers = [int(path.stem.partition("-")[2]) for path in self._folder.glob("part-*.parquet")]
        self._number = max(numbers, default=-1) + 1

    def _part_path(self, number: int) -> Path:
        return self._folder / f"part-{number:06d}.parquet"

    def _journal_path(self, number: int) -> Path:
        return self._journals / f"part-{number:06d}.jsonl"


def open_dataset(folder: Path) -> ds.Dataset:
    """All parts of a dataset."""
    return ds.dataset(sorted(folder.glob("part-*.parquet")), schema=rows.SCHEMA, format="parquet")


def packed(hashes: list[str]) -> NDArray[np.bytes_]:
    """Hashes of 32 hex digits, 16 bytes each."""
    return np.array([bytes.fromhex(each) for each in hashes], HASH)


def is_in(hashes: NDArray[np.bytes_], those: NDArray[np.bytes_]) -> NDArray[np.bool_]:
    """Tell of each hash whether it is among others, which are sorted."""
    if not len(those):
        return np.zeros(len(hashes), bool)
    at = np.minimum(np.searchsorted(those, hashes), len(those) - 1)
    return np.asarray(those[at] == hashes, bool)


def _write(content: list[Row], path: Path) -> None:
    partial = path.with_name(f".{path.name}.partial")
    pq.write_table(rows.table(content), partial)
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the new name is on the disk before the journal goes
    finally:
        os.close(folder)


def _journal_rows(path: Path) -> list[Row]:
    """Rows of a journal; a last line that was cut off in the writing never counted."""
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    return [json.loads(line) for line in whole.splitlines()]
