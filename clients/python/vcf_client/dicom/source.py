# SPDX-License-Identifier: Apache-2.0
"""The series that findings were made from, as far as result objects need it: whom and what to refer to."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import BinaryIO

from pydicom import dcmread
from pydicom.dataset import Dataset

from vcf_client.dicom.files import Source, archive_sources, folder_sources, is_zip, looks_like_dicom, read_start
from vcf_client.dicom.privacy import keyed_hash, quiet
from vcf_contract.errors import Code, StudyRefused

STUDY_KEYWORDS = (
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "TypeOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "PatientAge",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "StudyDescription",
    "AccessionNumber",
    "IssuerOfAccessionNumberSequence",
    "ReferringPhysicianName",
)
"""Elements of patient and study that file a result beside its source (PS3.3 sections C.7.1.1, C.7.2.1, C.7.2.2)."""

TYPE_2_KEYWORDS = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
)
"""Those of these that must be there even if they are empty."""

_KEYWORDS = (
    *STUDY_KEYWORDS,
    "SpecificCharacterSet",
    "SOPClassUID",
    "SOPInstanceUID",
    "SeriesInstanceUID",
    "FrameOfReferenceUID",
)
_UID = re.compile(r"[0-9]+(\.[0-9]+)+")


@dataclass(frozen=True)
class SourceSeries:
    """Identity of a series. Nothing of it is ever printed.

    study
        Elements of patient and study of its first image, under its character set.
    instances
        SOP class and SOP instance UID of each image, every instance once.
    frame_of_reference_uid
        Empty where the images have none in common.
    """

    study: Dataset = field(repr=False)
    series_uid: str = field(repr=False)
    instances: tuple[tuple[str, str], ...] = field(repr=False)
    frame_of_reference_uid: str = field(repr=False)

    @property
    def study_uid(self) -> str:
        """Study Instance UID."""
        return str(self.study.StudyInstanceUID)

    @classmethod
    def from_headers(cls, headers: Iterable[Dataset]) -> "SourceSeries":
        """Gather the headers of one series.

        Raises
        ------
        ValueError
            If there is no header, if one lacks a UID that results refer to, or if they are of several series.
        """
        found = list(headers)
        if not found:
            raise ValueError("a series has at least one image, there is no header")
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID"):
            bad = sum(not _UID.fullmatch(str(header.get(keyword, ""))) for header in found)
            if bad:
                raise ValueError(f"{keyword} is missing or no UID in {bad} of {len(found)} images")
        series = {(str(header.StudyInstanceUID), str(header.SeriesInstanceUID)) for header in found}
        if len(series) > 1:
            raise ValueError(f"the headers must be of one series, they are of {len(series)}")
        frames = {str(header.get("FrameOfReferenceUID", "")) for header in found}
        frame = frames.pop() if len(frames) == 1 else ""
        return cls(
            study=_study_of(found[0]),
            series_uid=str(found[0].SeriesInstanceUID),
            instances=tuple(dict.fromkeys((str(h.SOPClassUID), str(h.SOPInstanceUID)) for h in found)),
            frame_of_reference_uid=frame if _UID.fullmatch(frame) else "",
        )


def read_source(path: str | PathLike[str], series_id: str | None = None) -> SourceSeries:
    """Find the series that a study was made from, or its largest one.

    Parameters
    ----------
    path
        What was given to the reader: a folder, an archive or a file.
    series_id
        Of the study or its findings, made by the reader in this process: a keyed hash of the UID. None for the
        series with the most images.

    Raises
    ------
    StudyRefused
        ``NOT_DICOM`` if no DICOM file at the path is of that series, as with a NIfTI file.
    """
    with quiet():
        series: dict[str, list[Dataset]] = {}
        for header in map(_header, _sources(Path(path))):
            if header is not None and header.get("SeriesInstanceUID"):
                series.setdefault(str(header.SeriesInstanceUID), []).append(header)
        if series_id is not None:
            series = {uid: headers for uid, headers in series.items() if keyed_hash(uid) == series_id}
        if series:
            return SourceSeries.from_headers(series[max(series, key=lambda uid: len(series[uid]))])
    raise StudyRefused(
        Code.NOT_DICOM, "the input has no DICOM files of the series analysed; DICOM results need a DICOM source"
    )


def source_of(files: Iterable[bytes | Path], series_uid: str) -> SourceSeries:
    """The series of a UID among files in memory or on disk; ValueError where it is not there, or unfit to refer to."""
    with quiet():
        sources = (Source(file) if isinstance(file, Path) else Source(data=file) for file in files)
        headers = [header for header in map(_header, sources) if header is not None]
        return SourceSeries.from_headers(h for h in headers if str(h.get("SeriesInstanceUID", "")) == series_uid)


def _sources(path: Path) -> Iterable[Source]:
    if path.is_dir():
        return folder_sources(path)
    start = read_start(path)
    if is_zip(start):
        return archive_sources(path)
    if path.name.upper() == "DICOMDIR":
        return folder_sources(path.parent)
    return [Source(path)] if looks_like_dicom(start) else []


def _header(source: Source) -> Dataset | None:
    try:
        with source.open() as file:
            return _parse(file)
    except Exception:  # a damaged file can make pydicom raise anything; the reader left it out, too
        return None


def _parse(file: BinaryIO) -> Dataset:
    return dcmread(file, stop_before_pixels=True, force=True, specific_tags=list(_KEYWORDS))


def _study_of(header: Dataset) -> Dataset:
    study = Dataset()
    if header.get("SpecificCharacterSet"):
        study.SpecificCharacterSet = header.SpecificCharacterSet
    for keyword in STUDY_KEYWORDS:
        if keyword in header:
            study.add(header[keyword])
        elif keyword in TYPE_2_KEYWORDS:
            setattr(study, keyword, None)
    return study
