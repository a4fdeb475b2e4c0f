# SPDX-License-Identifier: Apache-2.0
"""The list of studies to be screened: ``id``, ``location`` and, if it is known, ``images``, as Parquet or CSV.

It names patients' studies, so the lists that are written here are for their owner's eyes alone.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from vcf_contract.errors import SetupError

SCHEMA = pa.schema([("id", pa.string()), ("location", pa.string()), ("images", pa.int32())])
SUFFIXES = (".csv", ".parquet")
ROWS_A_BATCH = 4096
"""So many rows are in memory at a time, however long the list is."""


@dataclass(frozen=True)
class Entry:
    """A study of the archive.

    id
        The archive's own, such as the Study Instance UID.
    location
        A path, the address of an object store, or that of the study in a DICOMweb service. Several, for a study whose
        series lie apart, are joined by a newline.
    images
        How many the archive says it has; 0 where it does not say.
    """

    id: str = field(repr=False)
    location: str = field(repr=False)
    images: int = 0


def is_manifest(path: Path) -> bool:
    """Tell whether a file is taken for a list of studies."""
    return path.suffix.lower() in SUFFIXES and path.is_file()


def write(entries: Iterable[Entry], path: Path) -> int:
    """Write a list, whole or not at all; the number of its studies."""
    count, rows = 0, iter(entries)
    partial = path.with_name(f".{path.name}.partial")
    with private_file(partial) as file, pq.ParquetWriter(file, SCHEMA) as writer:
        while batch := list(islice(rows, ROWS_A_BATCH)):
            columns = [[getattr(entry, name) for entry in batch] for name in SCHEMA.names]
            writer.write_table(pa.table(columns, schema=SCHEMA))
            count += len(batch)
    partial.replace(path)
    return count


def read(path: Path) -> Iterator[Entry]:
    """The studies of a list, some in memory at a time.

    Raises
    ------
    SetupError
        If it cannot be read, lacks a column, or a row lacks a value; rows count from 1.
    """
    number = 0
    for batch in _batches(path):
        for row in batch.to_pylist():
            number += 1
            if not row["id"] or not row["location"]:
                raise SetupError(f"row {number} of the manifest lacks id or location; both are needed")
            yield Entry(row["id"], row["location"], row.get("images") or 0)


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    try:
        if path.suffix.lower() == ".csv":
            convert = pyarrow.csv.ConvertOptions(column_types=SCHEMA)
            with pyarrow.csv.open_csv(path, convert_options=convert) as reader:
                _check(reader.schema.names)
                yield from reader
            return
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            _check(names)
            for batch in file.iter_batches(ROWS_A_BATCH, columns=[name for name in SCHEMA.names if name in names]):
                table = pa.Table.from_batches([batch])
                yield from table.cast(pa.schema([SCHEMA.field(name) for name in table.schema.names])).to_batches()
    except (OSError, pa.ArrowException) as error:
        raise SetupError(f"the manifest cannot be read as {path.suffix[1:]} ({type(error).__name__})") from None


def _check(names: list[str]) -> None:
    if lacking := [name for name in ("id", "location") if name not in names]:
        raise SetupError(
            f"the manifest has no column {' and no column '.join(lacking)}; id and location are needed, images may be"
        )


def private_file(path: Path) -> BinaryIO:
    """A new file that only its owner may read."""
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
