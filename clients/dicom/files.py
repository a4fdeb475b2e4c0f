# SPDX-License-Identifier: Apache-2.0
"""Where the bytes are: the files of a folder, an archive, a DICOMDIR or a single path, opened only when read."""

import io
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from vcf.errors import Code, StudyRefused

MAX_FILES = 50_000
MAX_UNPACKED_BYTES = 4 << 30
"""Of an archive or a deflated file: more than any CT study, less than what a hostile one could unpack to."""

_SNIFF_BYTES = 132
_ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
_HEADLESS = (b"\x02\x00\x00\x00", *(b"\x08\x00" + bytes((element, 0)) for element in (0x00, 0x01, 0x05, 0x08, 0x16)))
"""First tag of a data set written without preamble: group 0002 or 0008, little endian."""


@dataclass(frozen=True)
class Source:
    """The bytes of one file, on disk or in memory. Never printed: a path can name the patient."""

    path: Path | None = field(default=None, repr=False)
    data: bytes = field(default=b"", repr=False)

    def open(self) -> BinaryIO:
        """A readable and seekable stream; OSError where the file has gone or may not be read."""
        return io.BytesIO(self.data) if self.path is None else self.path.open("rb")

    @property
    def size(self) -> int:
        """In bytes; 0 where the file has gone."""
        try:
            return len(self.data) if self.path is None else self.path.stat().st_size
        except OSError:
            return 0


def looks_like_dicom(start: bytes) -> bool:
    """Whether a file that starts so is worth parsing (DICOM PS3.10 section 7.1, or a bare data set)."""
    return start[128:132] == b"DICM" or start[:4] in _HEADLESS


def is_zip(start: bytes) -> bool:
    """Whether a file that starts so is a ZIP archive."""
    return start[:4] in _ZIP_MAGIC


def read_start(path: Path) -> bytes:
    """The first bytes of a file, enough to tell what it is; StudyRefused where it cannot be opened."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for its writer
            start = None
        else:
            with path.open("rb") as file:
                start = file.read(_SNIFF_BYTES)
    except (OSError, ValueError):
        start = None
    if start is None:
        raise StudyRefused(Code.NO_IMAGES, "the input cannot be opened; a readable folder or file is accepted")
    return start


def folder_sources(folder: Path) -> Iterator[Source]:
    """Every file below a folder that may be DICOM, in the order of the paths.

    Linked folders are followed once, so that a loop of links ends; pipes and devices are passed over.
    """
    seen: set[tuple[int, int]] = set()
    count = 0
    for root, folders, names in os.walk(folder, followlinks=True):
        try:
            status = Path(root).stat()
        except OSError:
            folders.clear()
            continue
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders.sort()
        for name in sorted(names):
            count += 1
            if count > MAX_FILES:
                raise StudyRefused(
                    Code.BAD_INPUT, f"the folder holds more than {MAX_FILES} files; give the folder of one study"
                )
            path = Path(root, name)
            try:
                start = read_start(path)
            except StudyRefused:
                continue
            if looks_like_dicom(start):
                yield Source(path)


def archive_sources(path: Path) -> Iterator[Source]:
    """Every member of a ZIP archive that may be DICOM, unpacked in memory: member names are never used as paths."""
    problem: str | None = None
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        archive = None
    if archive is None:
        raise StudyRefused(Code.NOT_DICOM, "the ZIP archive is damaged and cannot be read; a whole one is accepted")
    with archive:
        members = [m for m in archive.infolist() if not m.is_dir()]
        unpacked = sum(m.file_size for m in members)  # zipfile never unpacks more than a member declares
        if len(members) > MAX_FILES:
            problem = f"the archive holds {len(members)} files; at most {MAX_FILES} are accepted"
        elif unpacked > MAX_UNPACKED_BYTES:
            problem = f"the archive unpacks to {unpacked >> 20} MiB; at most {MAX_UNPACKED_BYTES >> 20} are accepted"
        elif any(m.flag_bits & 1 for m in members):
            problem = "the archive is encrypted; a plain one is accepted"
        if problem:
            raise StudyRefused(Code.BAD_INPUT, problem)
        for member in sorted(members, key=lambda m: m.filename):
            try:
                with archive.open(member) as stream:
                    start = stream.read(_SNIFF_BYTES)
                    data = start + stream.read() if looks_like_dicom(start) else b""
            except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError):
                continue  # a damaged member: its slice is missing, which the geometry notices
            if data:
                yield Source(data=data)


def read_all(path: Path) -> list[bytes]:
    """The content of every file at a path that may be DICOM: a folder, an archive, a DICOMDIR's folder or one file.

    Raises
    ------
    StudyRefused
        ``NOT_DICOM`` if there is none; ``NO_IMAGES`` or ``BAD_INPUT`` if the path cannot be read.
    """
    if path.is_dir():
        sources = folder_sources(path)
    elif is_zip(start := read_start(path)):
        sources = archive_sources(path)
    elif path.name.upper() == "DICOMDIR":
        sources = folder_sources(path.parent)
    else:
        sources = iter([Source(path)] if looks_like_dicom(start) else [])
    files = []
    for source in sources:
        with suppress(OSError), source.open() as file:
            files.append(file.read())
    if not files:
        raise StudyRefused(Code.NOT_DICOM, "no DICOM file was found; a DICOM series of CT slices is accepted")
    return files


def file_set_sources(dicomdir: Path, file_ids: list[tuple[str, ...]]) -> Iterator[Source]:
    """The files that a DICOMDIR names (PS3.3 section F.3), as far as they lie below its folder."""
    base = dicomdir.parent.resolve()
    for parts in file_ids[:MAX_FILES]:
        if not parts or any(p in ("", ".", "..") or "/" in p or "\\" in p or "\0" in p for p in parts):
            continue
        for candidate in (base.joinpath(*parts), base.joinpath(*(p.lower() for p in parts))):
            try:
                inside = candidate.resolve().is_relative_to(base)
                if inside and looks_like_dicom(read_start(candidate)):
                    yield Source(candidate)
                    break
            except (OSError, RuntimeError, StudyRefused):
                continue
