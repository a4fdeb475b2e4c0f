# SPDX-License-Identifier: Apache-2.0
"""A folder, archive, DICOMDIR or file of DICOM to one checked study."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clients.dicom.assemble import assemble
from clients.dicom.files import (
    MAX_FILES,
    Source,
    archive_sources,
    file_set_sources,
    folder_sources,
    is_zip,
    looks_like_dicom,
    read_start,
)
from clients.dicom.header import Damaged, FileSetDirectory, HeaderReader
from clients.dicom.pixels import Progress
from clients.dicom.selection import Candidate, candidates, in_order, most_telling, refuse_several_studies
from clients.dicom.slices import Slice
from clients.study import Study
from vcf.errors import Code, StudyRefused

_START_BYTES = 132
"""Preamble and prefix (DICOM PS3.10 section 7.1)."""


@dataclass
class _Scan:
    """What the headers of all files gave."""

    slices: list[Slice] = field(default_factory=list)
    file_ids: list[tuple[str, ...]] = field(default_factory=list)
    damaged: int = 0


def read_dicom(path: Path, age_policy: str, progress: Progress | None = None, workers: int | None = None) -> Study:
    """The best usable series below a path; StudyRefused where there is none."""
    return _best(_slices(path), age_policy, progress, workers)[0]


def read_dicom_files(files: Sequence[bytes], age_policy: str, workers: int | None = None) -> tuple[Study, str]:
    """The best usable series among files in memory, and its UID; StudyRefused where there is none."""
    if len(files) > MAX_FILES:
        raise StudyRefused(
            Code.BAD_INPUT, f"the request holds {len(files)} files, at most {MAX_FILES} are accepted; send one study"
        )
    if not len(files):
        raise StudyRefused(Code.NO_IMAGES, "the request holds no file; the DICOM files of a CT series are accepted")
    scan = _scan(Source(data=bytes(data)) for data in files if looks_like_dicom(bytes(data[:_START_BYTES])))
    if not scan.slices:
        code, what = (Code.TRUNCATED, "damaged") if scan.damaged else (Code.NOT_DICOM, "a DICOM image")
        found = f"{scan.damaged} of {len(files)} files are" if scan.damaged else f"none of {len(files)} files is"
        raise StudyRefused(code, f"{found} {what}; a DICOM series of CT slices is accepted")
    return _best(scan.slices, age_policy, None, workers)


def _best(slices: list[Slice], age_policy: str, progress: Progress | None, workers: int | None) -> tuple[Study, str]:
    found = candidates(slices, age_policy)
    usable = in_order(found)
    refuse_several_studies(usable)
    for candidate in usable:
        assert candidate.stack is not None
        uid = candidate.stack.some.facts.series_uid
        try:
            volume, flags = assemble(candidate.stack, progress, workers)
        except StudyRefused as refusal:
            candidate.refusal = refusal.with_traceback(None)
            candidate.stack = None
            continue
        flags = tuple(dict.fromkeys((*candidate.flags, *flags)))
        return Study(volume, candidate.series_id, flags, _sentences(found, candidate)), uid
    telling = most_telling(found)
    assert telling.refusal is not None
    sentence = telling.refusal.sentence
    if len(found) > 1:
        sentence += f" (none of {len(found)} series is usable; this is {telling.label})"
    raise StudyRefused(telling.refusal.code, sentence)


def _slices(path: Path) -> list[Slice]:
    """All slices below a path, pixels not read yet."""
    code = Code.NOT_DICOM
    if path.is_dir():
        scan = _scan(folder_sources(path))
        nothing = "the folder holds no DICOM file"
        if not scan.slices and _is_empty(path):
            code, nothing = Code.NO_IMAGES, "the folder is empty or may not be read"
        elif scan.damaged:
            code, nothing = Code.TRUNCATED, "all DICOM files in the folder are damaged"
    elif is_zip(read_start(path)):
        scan = _scan(archive_sources(path))
        nothing = "the archive holds no DICOM file"
    else:
        scan = _scan([Source(path)])
        nothing = "the file is no DICOM file"
        if scan.file_ids:
            scan = _scan(file_set_sources(path, scan.file_ids))
            code, nothing = Code.NO_IMAGES, "none of the files that the DICOMDIR names is there"
    if not scan.slices:
        raise StudyRefused(code, f"{nothing}; a DICOM series of CT slices or a NIfTI volume is accepted")
    return scan.slices


def _is_empty(folder: Path) -> bool:
    try:
        return next(folder.iterdir(), None) is None
    except OSError:
        return True


def _scan(sources: Iterable[Source]) -> _Scan:
    reader, scan = HeaderReader(), _Scan()
    for source in sources:
        try:
            read = reader.read(source)
        except Damaged:
            scan.damaged += 1
            continue
        if isinstance(read, FileSetDirectory):
            scan.file_ids += read.file_ids
        else:
            scan.slices += read
    return scan


def _sentences(found: list[Candidate], taken: Candidate) -> tuple[str, ...]:
    """One for each candidate: taken, usable but second to it, or refused and why."""
    return tuple(_sentence(c, taken) for c in found)


def _sentence(c: Candidate, taken: Candidate) -> str:
    if c.stack is not None:
        what = f"{c.stack.coverage_mm:.0f} mm in steps of {c.stack.spacing_mm:.2f} mm"
        return f"{c.label} {'taken' if c is taken else 'not taken, usable'}: {what}."
    assert c.refusal is not None
    return f"{c.label} refused, {c.refusal.code}: {c.refusal.sentence}."
