# SPDX-License-Identifier: Apache-2.0
"""CT series made up in patient space: what a reader gives back can be compared with the body they were cut from."""

from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    ExplicitVRLittleEndian,
    PositronEmissionTomographyImageStorage,
    generate_uid,
)

Field = Callable[[NDArray[Any], NDArray[Any], NDArray[Any]], NDArray[Any]]

PATIENT_NAME, PATIENT_ID, BIRTH_DATE = "Archimedes^Secret", "PID-471100815", "19411224"
SECRETS = (PATIENT_NAME, "Archimedes", PATIENT_ID, BIRTH_DATE, "20200229", "Syracuse")


def body(x: NDArray[Any], y: NDArray[Any], z: NDArray[Any]) -> NDArray[Any]:
    """HU of a body in air at LPS mm: no symmetry, and linear along z, so interpolation between slices is exact."""
    inside = (x / 135) ** 2 + (y / 105) ** 2 < 1
    spine = (x + 10) ** 2 + (y - 55) ** 2 < 18**2
    tissue = 30 + 40 * np.sin(x / 30) + 25 * np.cos(y / 20) + 0.2 * z + np.where(spine, 250, 0)
    return np.where(inside, tissue, -1000.0)


def at_voxels(affine: NDArray[Any], shape: Sequence[int], field: Field = body) -> NDArray[Any]:
    """The field where a canonical volume (z, y, x) has its voxels."""
    z, y, x = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    points = np.stack([x, y, z, np.ones_like(x)], -1) @ affine.T
    return field(points[..., 0], points[..., 1], points[..., 2])


def make_series(
    slices: int = 30,
    rows: int = 60,
    columns: int = 56,
    spacing_mm: tuple[float, float] = (5.0, 5.5),
    step_mm: float = 5.0,
    row: Sequence[float] = (1, 0, 0),
    column: Sequence[float] = (0, 1, 0),
    way: Sequence[float] | None = None,
    centre: Sequence[float] = (3.0, -4.0, 25.0),
    field: Field = body,
    slope: float = 1,
    intercept: float = -1024,
    signed: bool = False,
    bits_stored: int = 12,
    **elements: Any,
) -> list[Dataset]:
    """Slices of a field, the first at one end; further elements by keyword, None leaves an element out.

    way
        Direction from slice to slice; that of the normal where not given.
    """
    r, c = np.array(row, float), np.array(column, float)
    w = np.cross(r, c) if way is None else np.array(way, float)
    j, i = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    middle = (columns - 1) / 2 * spacing_mm[1] * r + (rows - 1) / 2 * spacing_mm[0] * c
    middle = middle + (slices - 1) / 2 * step_mm * w
    corner = np.array(centre) - middle
    uids = {name: generate_uid() for name in ("Study", "Series", "Frame")}
    made = []
    for k in range(slices):
        position = corner + k * step_mm * w
        points = position + j[..., None] * spacing_mm[0] * c + i[..., None] * spacing_mm[1] * r
        hu = field(points[..., 0], points[..., 1], points[..., 2])
        ds = _plain(uids, k)
        ds.ImageOrientationPatient = [float(v) for v in (*r, *c)]
        ds.ImagePositionPatient = [round(float(v), 6) for v in position]
        ds.PixelSpacing = list(spacing_mm)
        ds.SliceThickness = step_mm
        ds.RescaleSlope, ds.RescaleIntercept = slope, intercept
        ds.BitsStored, ds.HighBit, ds.PixelRepresentation = bits_stored, bits_stored - 1, int(signed)
        set_pixels(ds, np.rint((hu - intercept) / slope))
        set_elements(ds, elements)
        made.append(ds)
    return made


def _plain(uids: dict[str, str], number: int) -> Dataset:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, generate_uid()
    ds.StudyInstanceUID, ds.SeriesInstanceUID = uids["Study"], uids["Series"]
    ds.FrameOfReferenceUID = uids["Frame"]
    ds.PatientName, ds.PatientID, ds.PatientBirthDate = PATIENT_NAME, PATIENT_ID, BIRTH_DATE
    ds.StudyDate, ds.PatientAge, ds.InstitutionName = "20200229", "078Y", "Syracuse"
    ds.StudyTime, ds.StudyID, ds.SeriesNumber = "120000", "1", 1
    ds.Modality, ds.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.ConvolutionKernel, ds.BodyPartExamined = "STANDARD", "CHEST"
    ds.StudyDescription, ds.SeriesDescription = "CHEST", "Chest 5.0"
    ds.AcquisitionNumber, ds.InstanceNumber = 1, 1000 - 7 * number % 13  # of no use for sorting
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated = 16
    return ds


def set_pixels(ds: Dataset, stored: NDArray[Any]) -> None:
    """Stored values (rows, columns) or (frames, rows, columns) as the data set's own pixel format has them."""
    ds.Rows, ds.Columns = stored.shape[-2:]
    kind = f"<{'i' if ds.PixelRepresentation else 'u'}{ds.BitsAllocated // 8}"
    ds.PixelData = np.asarray(stored).astype(kind).tobytes()


def set_elements(ds: Dataset, elements: dict[str, Any]) -> None:
    """Set elements by keyword; None removes one."""
    for keyword, value in elements.items():
        if value is None:
            if keyword in ds:
                delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)


def save(ds: Dataset, path: Path) -> Path:
    """Write one file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID if "SOPClassUID" in ds else CTImageStorage
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.save_as(path, enforce_file_format=True)
    return path


def write(folder: Path, *series: Iterable[Dataset]) -> Path:
    """Write series below a folder, in an order and under names that say nothing about the places of slices."""
    for number, slices in enumerate(series):
        everything = list(slices)
        order = np.random.default_rng(number).permutation(len(everything))
        for name, ds in zip(order, everything, strict=True):
            save(ds, folder / f"s{number}" / f"{name:04d}.dcm")
    return folder


def pet_of(series: Sequence[Dataset]) -> Dataset:
    """A PET slice in the frame of reference of a CT series."""
    ds = deepcopy(series[0])
    ds.SOPClassUID, ds.SOPInstanceUID = PositronEmissionTomographyImageStorage, generate_uid()
    ds.SeriesInstanceUID, ds.Modality = generate_uid(), "PT"
    return ds


def enhanced(series: Sequence[Dataset]) -> Dataset:
    """The same slices as one Enhanced CT file (PS3.3 section A.38.1)."""
    first = series[0]
    ds = deepcopy(first)
    ds.SOPClassUID, ds.SOPInstanceUID, ds.NumberOfFrames = EnhancedCTImageStorage, generate_uid(), len(series)
    for keyword in (
        *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"),
        *("RescaleSlope", "RescaleIntercept", "ConvolutionKernel", "AcquisitionNumber"),
    ):
        delattr(ds, keyword)
    ds.PixelData = b"".join(s.PixelData for s in series)
    shared = Dataset()
    shared.PixelMeasuresSequence = _item(PixelSpacing=first.PixelSpacing, SliceThickness=first.SliceThickness)
    shared.PlaneOrientationSequence = _item(ImageOrientationPatient=first.ImageOrientationPatient)
    shared.CTReconstructionSequence = _item(ConvolutionKernel=first.ConvolutionKernel)
    shared.CTImageFrameTypeSequence = _item(
        FrameType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"], VolumeBasedCalculationTechnique="NONE"
    )
    ds.SharedFunctionalGroupsSequence = Items([shared])
    ds.PerFrameFunctionalGroupsSequence = Items([_frame_groups(s) for s in series])
    return ds


def _frame_groups(s: Dataset) -> Dataset:
    groups = Dataset()
    groups.PlanePositionSequence = _item(ImagePositionPatient=s.ImagePositionPatient)
    groups.PixelValueTransformationSequence = _item(
        RescaleSlope=s.RescaleSlope, RescaleIntercept=s.RescaleIntercept, RescaleType="HU"
    )
    groups.FrameContentSequence = _item(FrameAcquisitionNumber=s.AcquisitionNumber)
    return groups


def _item(**elements: Any) -> Items:
    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return Items([item])
