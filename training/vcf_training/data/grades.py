# SPDX-License-Identifier: Apache-2.0
"""Fracture grades of VerSe's supplement: one line a scan, one pair of columns a vertebra; xlsx or CSV.

The supplement of VerSe'19 (Löffler et al., Radiology: AI 2020, ``ryai190138_appendixe1.xlsx``) has the columns
``verse_ID``, ``subject_ID``, ``T1_fx-g`` … ``L6_fx-g`` (0–3) and ``T1_fx-s`` … (0 none, 1 wedge, 2 biconcave, 3 crush);
``x`` is a vertebra with foreign material. An empty cell says that there is no grade, not that the grade is 0.
"""

import csv
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from vcf_training.data.annotated import GRADABLE, DataCode, DataError, Grade

SHAPE_OF = {1: "wedge", 2: "biconcave", 3: "crush"}
FOREIGN = "x"
SUFFIXES = (".xlsx", ".csv")
_SCAN, _SUBJECT = "verseid", "subjectid"
_MOST_HEADER_LINES = 5


@dataclass(frozen=True)
class GradedScan:
    """A line of the supplement. ``grades`` has an entry for each column that exists, also where the cell is empty."""

    scan: str
    subject: str
    grades: dict[str, Grade]
    line: int


def normalised(identifier: Any) -> str:
    """``4``, ``4.0``, ``verse4`` and ``sub-verse004`` are all ``verse004``; other ids lose only ``sub-`` and case."""
    text = str(identifier).strip().lower().removeprefix("sub-")
    if re.fullmatch(r"\d+\.0+", text):
        text = text.partition(".")[0]
    number = re.fullmatch(r"(?:verse)?(\d+)", text)
    return f"verse{int(number[1]):03d}" if number else text


def find_supplement(root: Path) -> Path | None:
    """The one table of grades in a folder or one level below; None where there is no table with its columns.

    Raises
    ------
    DataError
        Several files are one.
    """
    candidates = [p for p in sorted([*root.glob("*"), *root.glob("*/*")]) if p.suffix.lower() in SUFFIXES]
    found = [p for p in candidates if not p.name.startswith(("~$", ".")) and _has_columns(p)]
    if len(found) > 1:
        raise DataError(
            DataCode.DUPLICATE_STUDY,
            f"{len(found)} tables of fracture grades lie in the folder, one is accepted: name it with --grades",
        )
    return found[0] if found else None


def read_supplement(path: Path) -> dict[str, GradedScan]:
    """Grades by scan, keyed by the normalised ``verse_ID``.

    Raises
    ------
    DataError
        ``BAD_COLUMNS``, ``BAD_VALUE``, or ``DUPLICATE_STUDY`` where two lines grade one scan differently.
    """
    rows = _table(path)
    header_at, columns = _header(rows)
    missing = [name for name, key in (("verse_ID", _SCAN), ("T1_fx-g … L6_fx-g", "grades")) if key not in columns]
    if header_at is None or missing:
        raise DataError(
            DataCode.BAD_COLUMNS,
            f"the table of grades lacks {' and '.join(missing or ['its header'])}; accepted are the columns verse_ID, "
            "subject_ID and, for each level, LEVEL_fx-g (grade) and LEVEL_fx-s (shape)",
        )
    found: dict[str, GradedScan] = {}
    for line, row in enumerate(rows[header_at + 1 :], start=header_at + 2):
        cells = [_text(v) for v in row]
        at = columns[_SCAN]
        if at >= len(cells) or not cells[at]:
            continue  # the published table ends in empty lines and remarks
        scan = normalised(cells[at])
        subject_at = columns.get(_SUBJECT)
        subject = cells[subject_at] if subject_at is not None and subject_at < len(cells) else ""
        graded = GradedScan(scan, normalised(subject) if subject else "", _grades(cells, columns, line), line)
        before = found.setdefault(scan, graded)
        if (before.grades, before.subject) != (graded.grades, graded.subject):
            raise DataError(
                DataCode.DUPLICATE_STUDY,
                f"lines {before.line} and {line} of the table of grades name the same scan and differ",
            )
    return found


def _grades(cells: Sequence[str], columns: dict[str, int], line: int) -> dict[str, Grade]:
    grades = {}
    for level in GRADABLE:
        at = columns.get(f"{level}fxg".lower())
        if at is None:
            continue
        grade = _number(cells, at, line, f"{level}_fx-g")
        shape_at = columns.get(f"{level}fxs".lower())
        shape = _number(cells, shape_at, line, f"{level}_fx-s") if shape_at is not None else None
        grades[level] = Grade(grade, SHAPE_OF.get(shape or 0) if grade else None)
    return grades


def _number(cells: Sequence[str], at: int, line: int, column: str) -> int | None:
    text = cells[at].lower() if at < len(cells) else ""
    if text in ("", FOREIGN):
        return None
    if re.fullmatch(r"[0-3](\.0+)?", text):
        return int(text[0])
    shown = text if len(text) <= 8 else f"{text[:8]}…"
    raise DataError(
        DataCode.BAD_VALUE,
        f"line {line} of the table of grades has {shown!r} in column {column}; accepted are 0, 1, 2, 3, "
        f"{FOREIGN} (foreign material) and an empty cell (not graded)",
    )


def _header(rows: Sequence[Sequence[Any]]) -> tuple[int | None, dict[str, int]]:
    """Line of the header and the place of each normalised column; ``grades`` stands for any column of grades."""
    best: tuple[int | None, dict[str, int]] = None, {}
    for i, row in enumerate(rows[:_MOST_HEADER_LINES]):
        columns = {re.sub(r"[\s_\-]", "", _text(v)).lower(): at for at, v in enumerate(row) if _text(v)}
        if any(f"{level}fxg".lower() in columns for level in GRADABLE):
            columns["grades"] = -1
        if len({_SCAN, "grades"} & columns.keys()) > len({_SCAN, "grades"} & best[1].keys()):
            best = i, columns
    return best


def _has_columns(path: Path) -> bool:
    try:
        return {_SCAN, "grades"} <= _header(_table(path, _MOST_HEADER_LINES))[1].keys()
    except DataError:
        return False


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _table(path: Path, most: int | None = None) -> list[list[Any]]:
    return [row for _, row in zip(range(most) if most else iter(int, 1), _rows(path), strict=False)]


def _rows(path: Path) -> Iterator[list[Any]]:
    if path.suffix.lower() == ".csv":
        yield from _csv_rows(path)
        return
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (InvalidFileException, zipfile.BadZipFile, KeyError, OSError):
        raise DataError(DataCode.BAD_COLUMNS, "the table of grades is no readable xlsx file or CSV") from None
    try:
        sheet = book["VerSe_dataset"] if "VerSe_dataset" in book.sheetnames else book.worksheets[0]
        for row in sheet.iter_rows(values_only=True):
            yield list(row)
    finally:
        book.close()


def _csv_rows(path: Path) -> Iterator[list[Any]]:
    """Comma or semicolon, as spreadsheets of different countries write it."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        text = path.read_text(encoding="latin-1")
    lines = text.splitlines()
    start = "".join(lines[:_MOST_HEADER_LINES])
    yield from csv.reader(lines, delimiter=";" if start.count(";") > start.count(",") else ",")
