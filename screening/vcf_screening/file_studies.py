# SPDX-License-Identifier: Apache-2.0
"""Studies in a folder tree, or in a bucket of an object store by fsspec.

A folder that holds DICOM files itself is a part of the study that its first readable file names; a study's folders may
lie anywhere. NIfTI files and ZIP archives are a study each. ``FOLDER/*`` as a location means the files of that folder
and not those below it.
"""

import posixpath
import time
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import fsspec
from pydicom import dcmread

from vcf_client.dicom.files import NIFTI_SUFFIXES, SNIFF_BYTES, looks_like_dicom
from vcf_client.dicom.privacy import quiet
from vcf_contract.errors import SetupError
from vcf_screening.failures import Failure, PassingError
from vcf_screening.manifest import Entry

ALONE = (*NIFTI_SUFFIXES, ".zip")
_HERE = "/*"
_LOOKED_AT = 5
"""So many files of a folder are looked at for a study's UID before it goes by its path."""
_HEADER_BYTES = 1 << 16

Options = Mapping[str, Any]


def is_remote(location: str) -> bool:
    """Tell whether it is the address of an object store."""
    return "://" in location


def entries(source: str, options: Options) -> Iterator[Entry]:
    """All studies below a folder or an address.

    Raises
    ------
    SetupError
        If nothing is there, or it cannot be listed.
    """
    try:
        system, root = fsspec.core.url_to_fs(source, **options)
        if not system.exists(root):
            raise SetupError(
                "there is nothing at the source; a folder, bucket, manifest or DICOMweb service is accepted"
            )
        studies: dict[str, list[str]] = {}
        for folder, _, names in system.walk(root):
            shown = sorted(name for name in names if name and not name.startswith("."))
            for name in shown:
                if name.lower().endswith(ALONE):
                    path = posixpath.join(folder, name)
                    yield Entry(posixpath.relpath(path, root), _address(system, path))
            rest = [name for name in shown if not name.lower().endswith(ALONE) and name.upper() != "DICOMDIR"]
            uid = _study_uid(system, [posixpath.join(folder, name) for name in rest[:_LOOKED_AT]])
            if uid is not None:
                studies.setdefault(uid or posixpath.relpath(folder, root), []).append(folder)
    except (OSError, ValueError, ImportError) as error:
        raise SetupError(f"the source cannot be listed ({type(error).__name__})") from None
    for uid, folders in studies.items():
        yield Entry(uid, "\n".join(_address(system, folder) + _HERE for folder in sorted(folders)))


def _address(system: Any, path: str) -> str:
    return path if system.protocol in ("file", ("file", "local")) else str(system.unstrip_protocol(path))


def _study_uid(system: Any, paths: list[str]) -> str | None:
    """UID of the study by the first file that tells it; empty if they are DICOM without one, None if no DICOM."""
    found: str | None = None
    with quiet():
        for path in paths:
            try:
                start = system.cat_file(path, start=0, end=_HEADER_BYTES)
                if not looks_like_dicom(start[:SNIFF_BYTES]):
                    continue
                found = found or ""
                header = dcmread(
                    BytesIO(start), force=True, specific_tags=["StudyInstanceUID"], stop_before_pixels=True
                )
                if uid := str(header.get("StudyInstanceUID", "")).strip(" \0"):
                    return uid
            except Exception:  # a damaged file can make pydicom raise anything
                continue
    return found


def local_files(location: str) -> list[Path]:
    """The files that the location of a local study means.

    Raises
    ------
    PassingError
        If a folder is not there: it may be on a disk that is not mounted now.
    """
    files: list[Path] = []
    try:
        for folder in location.split("\n"):
            files += sorted(path for path in Path(folder.removesuffix(_HERE)).iterdir() if path.is_file())
    except OSError:
        raise PassingError(NOT_THERE) from None
    return [path for path in files if not path.name.startswith(".")]


def is_split(location: str) -> bool:
    """Tell whether a location means the files of folders, rather than all that is below a path."""
    return location.endswith(_HERE)


NOT_THERE = Failure("NOT_THERE", "there is nothing at the location of the study, or it may not be read")


def fetch(location: str, options: Options, folder: Path) -> tuple[list[bytes] | Path, float]:
    """Tell what is at an address of an object store, and the seconds it took: DICOM files in memory, or the path of an
    archive or NIfTI file that was put into ``folder``.

    Raises
    ------
    PassingError
        If it is not there, or the store fails.
    """
    started_s = time.monotonic()
    try:
        places = location.split("\n")
        system, _ = fsspec.core.url_to_fs(places[0], **options)
        if places[0].lower().endswith(ALONE):
            suffix = next(suffix for suffix in reversed(ALONE) if places[0].lower().endswith(suffix))
            alone = folder / f"study{suffix}"
            system.get_file(system._strip_protocol(places[0]), str(alone))
            return alone, time.monotonic() - started_s
        paths: list[str] = []
        for place in places:
            stripped = system._strip_protocol(place.removesuffix(_HERE))
            paths += system.find(stripped, maxdepth=1 if is_split(place) else None)
        if not paths:
            raise PassingError(NOT_THERE)
        contents = system.cat(sorted(paths))
    except FileNotFoundError:
        raise PassingError(NOT_THERE) from None
    except (OSError, ValueError, ImportError) as error:
        raise PassingError(Failure("ARCHIVE", f"the object store failed ({type(error).__name__})")) from None
    files = list(contents.values()) if isinstance(contents, dict) else [contents]
    return files, time.monotonic() - started_s
