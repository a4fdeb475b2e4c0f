# SPDX-License-Identifier: Apache-2.0
"""A folder, archive, DICOMDIR or file of DICOM to one checked study."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vcf_client.dicom.assemble import assemble
from vcf_client.dicom.files import (
    MAX_FILES,
    Source,
    archive_sources,
    file_set_sources,
    folder_sources,
    is_zip,
    looks_like_dicom,
    nifti_files,
    read_start,
)
from vcf_client.dicom.header import Damaged, FileSetDirectory, HeaderReader
from vcf_client.dicom.pixels import Progress
from vcf_client.dicom.selection import Candidate, candidates, in_order, most_specific_refusal, refuse_several_studies
from vcf_client.dicom.slices import Slice
from vcf_client.dicom.stack import Stack
from vcf_client.dicom.strays import has_stray
from vcf_client.study import Acquisition, Study
from vcf_contract.errors import Code, StudyRefused

_PREAMBLE_BYTES = 128
"""Usually zeros (PS3.10 section 7.1)."""


@dataclass
class _Scan:
    """Slices and damage that the headers of all files gave.

    damaged
        DICOM files whose headers cannot be read.
    unlike
        Files that were given or named as DICOM, and hold nothing of it.
    """

    slices: list[Slice] = field(default_factory=list)
    file_ids: list[tuple[str, ...]] = field(default_factory=list)
    damaged: int = 0
    unlike: int = 0


def read_dicom(path: Path, age_policy: str, progress: Progress | None = None, workers: int | None = None) -> Study:
    """The best usable series below a path; StudyRefused where there is none."""
    return _best(_found(path), age_policy, progress, workers)[0]


def read_dicom_files(files: Sequence[bytes | Path], age_policy: str, workers: int | None = None) -> tuple[Study, str]:
    """The best usable series among files in memory or on disk, and its UID; StudyRefused where there is none."""
    if len(files) > MAX_FILES:
        raise StudyRefused(
            Code.TOO_LARGE, f"the request holds {len(files)} files, at most {MAX_FILES} are accepted; send one study"
        )
    if not len(files):
        raise StudyRefused(Code.NO_IMAGES, "the request holds no file; the DICOM files of a CT series are accepted")
    scan = _scan(source for source in map(_source, files) if _is_dicom(source.start()))
    if not scan.slices:
        code, what = (Code.TRUNCATED, "damaged") if scan.damaged else (Code.NOT_DICOM, "a DICOM image")
        found = f"{scan.damaged} of {len(files)} files are" if scan.damaged else f"none of {len(files)} files is"
        raise StudyRefused(code, f"{found} {what}; a DICOM series of CT slices is accepted")
    return _best(scan, age_policy, None, workers)


def _source(file: bytes | Path) -> Source:
    return Source(file) if isinstance(file, Path) else Source(data=bytes(file))


def _is_dicom(start: bytes) -> bool:
    """Return whether such a start is, or was, DICOM's: of a file cut off at once a part of its preamble is left."""
    return looks_like_dicom(start) or not start[:_PREAMBLE_BYTES].strip(b"\0")


def _best(scan: _Scan, age_policy: str, progress: Progress | None, workers: int | None) -> tuple[Study, str]:
    found = candidates(scan.slices, age_policy)
    usable = in_order(found)
    refuse_several_studies(usable)
    for candidate in usable:
        assert candidate.stack is not None
        uid, acquisition = candidate.stack.some.facts.series_uid, _acquisition(candidate.stack)
        try:
            volume, assembled = assemble(candidate.stack, progress, workers)
        except StudyRefused as refusal:
            candidate.refusal = refusal.with_traceback(None)
            candidate.stack = None
            continue
        flags = [*candidate.flags, *assembled]
        if scan.damaged or scan.unlike or has_stray(candidate.stack, scan.slices):
            flags.append(Code.TRUNCATED)
        sentences = _sentences(found, candidate)
        return Study(volume, candidate.series_id, tuple(dict.fromkeys(flags)), sentences, acquisition), uid
    telling = most_specific_refusal(found)
    assert telling.refusal is not None
    sentence = telling.refusal.sentence
    if len(found) > 1:
        sentence += f" (none of {len(found)} series is usable; this is {telling.label})"
    raise StudyRefused(telling.refusal.code, sentence)


def _acquisition(stack: Stack) -> Acquisition:
    some = stack.some
    thickness_mm = round(max(some.thickness_mm or 0.0, stack.spacing_mm), 2)
    return Acquisition(some.facts.manufacturer, some.facts.scanner, some.facts.kernel, thickness_mm)


def _found(path: Path) -> _Scan:
    """Return all slices below a path, pixels not read yet."""
    code = Code.NOT_DICOM
    wanted = "a DICOM series of CT slices or a NIfTI volume is accepted"
    if path.is_dir():
        scan = _scan(folder_sources(path))
        nothing = "the folder holds no DICOM file"
        if scan.damaged:
            code, nothing = Code.TRUNCATED, f"{_all(scan.damaged)} in the folder {_are(scan.damaged)} damaged"
        elif not scan.slices and _is_empty(path):
            code, nothing = Code.NO_IMAGES, "the folder is empty or may not be read"
        elif not scan.slices and (others := nifti_files(path)):
            nothing = f"the folder holds no DICOM file but {others} NIfTI file{'s' * (others > 1)}"
            wanted = "give the path of a NIfTI file, not of its folder"
    elif is_zip(read_start(path)):
        scan = _scan(archive_sources(path))
        nothing = "the archive holds no DICOM file"
        if scan.damaged:
            code, nothing = Code.TRUNCATED, f"{_all(scan.damaged)} in the archive {_are(scan.damaged)} damaged"
    else:
        scan = _scan([Source(path)])
        nothing = "the file is no DICOM file"
        if scan.damaged:
            code, nothing = (
                Code.TRUNCATED,
                "the header of the DICOM file is damaged or cut off, or names neither a modality nor a picture",
            )
        if scan.file_ids:
            scan = _scan(file_set_sources(path, scan.file_ids))
            code, nothing = Code.NO_IMAGES, "none of the files that the DICOMDIR names is there"
    if not scan.slices:
        raise StudyRefused(code, f"{nothing}; {wanted}")
    return scan


def _all(count: int) -> str:
    return "the only DICOM file" if count == 1 else f"all {count} DICOM files"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


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
            if looks_like_dicom(source.start()):
                scan.damaged += 1
            else:
                scan.unlike += 1
            continue
        if isinstance(read, FileSetDirectory):
            scan.file_ids += read.file_ids
        else:
            scan.slices += read
    return scan


def _sentences(found: list[Candidate], taken: Candidate) -> tuple[str, ...]:
    """Return a sentence for each candidate: taken, usable but second to it, or refused and why."""
    return tuple(_sentence(c, taken) for c in found)


def _sentence(c: Candidate, taken: Candidate) -> str:
    if c.stack is not None:
        what = f"{c.stack.coverage_mm:.0f} mm in steps of {c.stack.spacing_mm:.2f} mm"
        return f"{c.label} {'taken' if c is taken else 'not taken, usable'}: {what}."
    assert c.refusal is not None
    return f"{c.label} refused, {c.refusal.code}: {c.refusal.sentence}."
