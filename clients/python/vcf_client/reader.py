# SPDX-License-Identifier: Apache-2.0
"""Any input to a study: the entry of all readers."""

from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import TypeVar

from vcf_client.acceptance import AGE_POLICIES
from vcf_client.dicom.files import NIFTI_SUFFIXES, read_start
from vcf_client.dicom.privacy import quiet
from vcf_client.dicom.read import read_dicom, read_dicom_files
from vcf_client.study import Study
from vcf_contract.errors import Code, StudyRefused

_Read = TypeVar("_Read")


def read_study(
    path: str | PathLike[str],
    *,
    age_policy: str = "warn",
    progress: Callable[[int, int], None] | None = None,
    workers: int | None = None,
) -> Study:
    """Read and check a study.

    Parameters
    ----------
    path
        A folder (searched to any depth; it may hold several series and other files), a ZIP archive, a DICOMDIR, a
        DICOM file of several frames, or a NIfTI file.
    age_policy
        ``warn`` flags patients under 50 or of unknown age, ``block`` refuses them.
    progress
        Called in this thread with the number of slices decoded and of all slices. What it raises ends the reading.
    workers
        Threads that decode; one a processor by default.

    Raises
    ------
    StudyRefused
        Whatever is wrong with the input. Its text never quotes an element, a UID or a path.
    """
    return _quietly(age_policy, lambda: _read(Path(path), age_policy, progress, workers))


def read_files(
    files: Sequence[bytes | Path], *, age_policy: str = "warn", workers: int | None = None
) -> tuple[Study, str]:
    """Read and check DICOM files that are in memory, or of which the paths are given, in any order.

    Returns
    -------
    tuple
        The study, and the Series Instance UID of the series taken: for the caller alone, who knows it already.

    Raises
    ------
    StudyRefused
        As `read_study` does.
    """
    return _quietly(age_policy, lambda: read_dicom_files(files, age_policy, workers))


def _quietly(age_policy: str, read: Callable[[], _Read]) -> _Read:
    if age_policy not in AGE_POLICIES:
        raise ValueError(f"age_policy is {age_policy!r}; {' or '.join(AGE_POLICIES)} is accepted")
    refusal: StudyRefused
    with quiet():
        try:
            return read()
        except StudyRefused as found:
            refusal = found
    # Raised anew: the first one's context may hold a library's error, which quotes the file.
    raise StudyRefused(refusal.code, refusal.sentence)


def _read(path: Path, age_policy: str, progress: Callable[[int, int], None] | None, workers: int | None) -> Study:
    try:
        exists = path.exists()
    except (OSError, ValueError):
        exists = False
    if not exists:
        raise StudyRefused(Code.NO_IMAGES, "there is nothing at the given path; a folder or file is accepted")
    if not path.is_dir():
        read_start(path)  # refuses what cannot be opened, or would block
        if path.name.lower().endswith(NIFTI_SUFFIXES):
            from vcf_client.nifti import read_nifti  # noqa: PLC0415 - slow to load, and most studies are DICOM

            return read_nifti(path, age_policy, progress)
    return read_dicom(path, age_policy, progress, workers)
