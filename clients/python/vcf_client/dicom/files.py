# SPDX-License-Identifier: Apache-2.0
"""Sources of bytes: the files of a folder, an archive, a DICOMDIR or a single path, opened only when read."""

import io
import lzma
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from vcf_client.unpacking import MAX_FILE_BYTES, refuse_bomb
from vcf_contract.errors import Code, StudyRefused

MAX_FILES = 50_000
_DIRECTORY_BYTES_A_FILE = 1 << 10
"""What a file may take in the directory of an archive, on average; a name could have 64 KiB, and none has."""

SNIFF_BYTES = 4096
"""The beginning of a file: enough to tell what it is."""
_REMAINS = (b"\x02\x00\x00\x00UL", b"1.2.840.10008.5.1.4.1.1.")
"""First element of the file meta information (PS3.10 section 7.1), and how UIDs of images begin (PS3.4 annex B.5): they
show DICOM even where its beginning is damaged."""
_SUFFIXES = (".dcm", ".dicom", ".ima")
_ZIP_END_BYTES = 22 + 0xFFFF
"""The end of the central directory with the longest comment."""
NIFTI_SUFFIXES = (".nii", ".nii.gz")
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

    def start(self) -> bytes:
        """The first bytes, enough to tell what it is; none where the file has gone."""
        try:
            with self.open() as file:
                return file.read(SNIFF_BYTES)
        except OSError:
            return b""

    @property
    def size(self) -> int:
        """The size in bytes; 0 where the file has gone."""
        try:
            return len(self.data) if self.path is None else self.path.stat().st_size
        except OSError:
            return 0


def looks_like_dicom(start: bytes) -> bool:
    """Return whether such a start is worth parsing (DICOM PS3.10 section 7.1, a bare data set, or what is left)."""
    if start[128:132] == b"DICM" or start[:4] in _HEADLESS:
        return True
    start = start[:SNIFF_BYTES]
    return any(mark in start for mark in _REMAINS)


def is_zip(start: bytes) -> bool:
    """Return whether a file that starts so is a ZIP archive."""
    return start[:4] in _ZIP_MAGIC


def read_start(path: Path) -> bytes:
    """The first bytes of a file, enough to tell what it is; StudyRefused where it cannot be opened."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for its writer
            start = None
        else:
            with path.open("rb") as file:
                start = file.read(SNIFF_BYTES)
    except (OSError, ValueError):
        start = None
    if start is None:
        raise StudyRefused(Code.NO_IMAGES, "the input cannot be opened; a readable folder or file is accepted")
    return start


def folder_sources(folder: Path) -> Iterator[Source]:
    """Yield every file below a folder that may be DICOM, in the order of the paths.

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
                    Code.TOO_LARGE, f"the folder holds more than {MAX_FILES} files; give the folder of one study"
                )
            path = Path(root, name)
            try:
                start = read_start(path)
            except StudyRefused:
                continue
            # Some systems put a hidden file beside each; those are none of the study's.
            if looks_like_dicom(start) or (name.lower().endswith(_SUFFIXES) and not name.startswith(".")):
                yield Source(path)


def nifti_files(folder: Path) -> int:
    """Return how many files below a folder have a name as NIfTI files have."""
    names = (name.lower() for _, _, found in os.walk(folder) for name in found)
    return sum(name.endswith(NIFTI_SUFFIXES) for name in islice(names, MAX_FILES))


def archive_sources(path: Path) -> Iterator[Source]:
    """Yield every member of a ZIP archive that may be DICOM, unpacked in memory: member names are never used as paths.

    Each member is read to its end, where its checksum is looked at, whatever it holds: of a damaged one nobody knows
    what it was.

    Raises
    ------
    StudyRefused
        ``NOT_DICOM`` if the archive cannot be opened, ``DAMAGED`` if a member or the directory is damaged,
        ``TOO_LARGE`` if it holds too many files or unpacks to too much, ``BAD_INPUT`` if it is encrypted.
    """
    _refuse_long_directory(path)
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        archive = None
    if archive is None:
        raise StudyRefused(Code.NOT_DICOM, "the ZIP archive is damaged and cannot be read; a whole one is accepted")
    with archive:
        everything = archive.infolist()
        members = [m for m in everything if not m.filename.endswith("/") or m.file_size]
        if len(members) > MAX_FILES:
            raise _too_many(len(members))
        # zipfile never unpacks more than a member declares. Members may lie over one another: all are counted.
        refuse_bomb(path.stat().st_size, sum(m.file_size for m in members))
        for member in members:
            refuse_bomb(path.stat().st_size, member.file_size, MAX_FILE_BYTES)
        if any(m.flag_bits & 1 for m in members):
            raise StudyRefused(Code.BAD_INPUT, "the archive is encrypted; a plain one is accepted")
        if _declared_members(path) not in (None, len(everything)):
            raise StudyRefused(
                Code.DAMAGED, "the directory of the archive lists fewer or more files than it says; a whole is accepted"
            )
        for number, member in enumerate(sorted(members, key=lambda m: m.filename), 1):
            data: bytes | None = None
            with suppress(*_ZIP_ERRORS):
                data = _unpacked(archive, member)
            if data is None:
                raise StudyRefused(
                    Code.DAMAGED,
                    f"file {number} of {len(members)} in the archive is damaged: it does not match its checksum or "
                    "cannot be unpacked; a whole archive is accepted",
                )
            if data:
                yield Source(data=data)


_ZIP_ERRORS = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError),
    *(NotImplementedError, RuntimeError, ValueError),
)


def _unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """A member's content if it may be DICOM, otherwise nothing; read to its end either way."""
    with archive.open(member) as stream:
        start = stream.read(SNIFF_BYTES)
        if looks_like_dicom(start):
            return start + stream.read()
        while stream.read(1 << 20):
            pass
    if len(start) < min(member.file_size, SNIFF_BYTES):
        raise EOFError
    return b""


def _declared_members(path: Path) -> int | None:
    """Return how many members the end of the archive's directory declares; None where that needs 64 bits."""
    with path.open("rb") as file:
        tail, at = _archive_end(file)
    count = int.from_bytes(tail[at + 10 : at + 12], "little") if at >= 0 else 0xFFFF
    return None if count == 0xFFFF else count


def _archive_end(file: BinaryIO) -> tuple[bytes, int]:
    """The last bytes of an archive, and where in them the end of its directory begins; −1 if it does not."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _ZIP_END_BYTES))
    tail = file.read()
    return tail, tail.rfind(b"PK\x05\x06")


def _refuse_long_directory(path: Path) -> None:
    """Look at the directory of an archive before zipfile makes an object of each entry, however many there are."""
    try:
        with path.open("rb") as file:
            tail, at = _archive_end(file)
            length = int.from_bytes(tail[at + 12 : at + 16], "little") if at >= 0 else 0
            most = MAX_FILES * _DIRECTORY_BYTES_A_FILE
            size = file.seek(0, os.SEEK_END)
            if length == 0xFFFFFFFF:  # the real length stands in a record of 64 bits before; it is what lies there
                length = min(size, most)
            entries = 0
            if length <= most:
                file.seek(max(0, size - len(tail) + at - length))
                entries = file.read(length).count(b"PK\x01\x02")
    except OSError:
        return  # said by who opens it
    if length > most or entries > MAX_FILES:
        raise _too_many(max(entries, MAX_FILES + 1))


def _too_many(files: int) -> StudyRefused:
    return StudyRefused(Code.TOO_LARGE, f"the archive holds {files} files or more; at most {MAX_FILES} are accepted")


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
