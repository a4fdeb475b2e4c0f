# SPDX-License-Identifier: Apache-2.0
"""A phantom as a classic CT series in DICOM files, with its truth beside it.

CT Image IOD (DICOM PS3.3 A.3), explicit little endian, one file a slice. UIDs come from the patient's description,
so the same phantom is the same series. Nothing in it stands for a person.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from vcf_training.phantom.render import Phantom

POSITIONS = {
    "HFS": (1, 1),
    "HFP": (-1, -1),
    "FFS": (-1, 1),
    "FFP": (1, -1),
}
"""Patient position → direction of rows along patient L and of columns along patient P, as scanners store them."""
INTERCEPTS = (-1024, -1000)
TRUTH_FILE = "truth.json"
_BODY_PART = {"chest": "CHEST", "abdomen": "ABDOMEN", "both": "CHESTABDOMEN"}
_DAY, _TIME = "20200101", "120000"


def write_series(
    phantom: Phantom,
    folder: Path,
    *,
    position: str = "HFS",
    reverse: bool = False,
    intercept: int = -1024,
    slope: float = 1.0,
    kernel: str = "STANDARD",
) -> list[Path]:
    """Write one file a slice and ``truth.json``; returns the image files in the order of their instance numbers.

    Parameters
    ----------
    position
        HFS, HFP, FFS or FFP: how the pixels are stored. The anatomy in patient coordinates stays the same.
    reverse
        Number the slices from head to feet.
    intercept, slope
        Of the rescale; stored = (HU − intercept) / slope, rounded.

    Raises
    ------
    ValueError
        If an option is none of those accepted.
    FileExistsError
        If the folder holds DICOM files already: two series in one folder would be read as one study.
    """
    if position not in POSITIONS:
        raise ValueError(f"position is {position!r}, accepted are {', '.join(POSITIONS)}")
    if intercept not in INTERCEPTS or not 0.5 <= slope <= 2:
        raise ValueError(f"rescale is {slope}, {intercept}; accepted are slope 0.5–2 and intercept −1024 or −1000")
    folder.mkdir(parents=True, exist_ok=True)
    if next(folder.glob("*.dcm"), None):
        raise FileExistsError(f"the folder {folder.name!r} holds DICOM files already, give an empty one")
    count = len(phantom.volume.hu)
    order = range(count - 1, -1, -1) if reverse else range(count)
    common = _Series(phantom, position, intercept, slope, kernel)
    files = []
    for number, k in enumerate(order, 1):
        path = folder / f"IM{number:04d}.dcm"
        common.image(k, number).save_as(path, enforce_file_format=True)
        files.append(path)
    (folder / TRUTH_FILE).write_text(json.dumps(truth(phantom), indent=1) + "\n")
    return files


def truth(phantom: Phantom) -> dict[str, Any]:
    """Tell what is known about a phantom, as plain JSON; lengths in mm from the centre of canonical voxel (0, 0, 0)."""
    spec = phantom.spec
    return {
        "synthetic": True,
        "seed": spec.seed,
        "kind": spec.kind,
        "age": spec.age,
        "sex": spec.sex,
        "levels": list(spec.levels),
        "spacing_mm": list(phantom.volume.spacing_mm),
        "origin_lps_mm": phantom.volume.affine[:3, 3].round(4).tolist(),
        "vertebrae": [_rounded(asdict(v)) for v in phantom.vertebrae],
        "canal": {
            "centre_mm": phantom.centre_line_mm.round(3).tolist(),
            "box_mm": phantom.canal_boxes_mm.round(3).tolist(),
        },
    }


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    return {
        key: [round(x, 3) for x in v] if isinstance(v, tuple) else round(v, 3) if isinstance(v, float) else v
        for key, v in values.items()
    }


class _Series:
    """Tell what all images of the series share."""

    def __init__(self, phantom: Phantom, position: str, intercept: int, slope: float, kernel: str) -> None:
        self.phantom, self.position = phantom, position
        self.intercept, self.slope, self.kernel = intercept, slope, kernel
        spec = phantom.spec
        self.identity = [repr(spec), repr(phantom.volume.spacing_mm), repr(phantom.volume.hu.shape)]
        storage = [position, str(intercept), str(slope), kernel]
        self.study = self._uid("study")
        self.frame = self._uid("frame")
        self.series = self._uid("series", *storage)
        self.storage = storage

    def _uid(self, *more: str) -> str:
        return str(generate_uid(entropy_srcs=[*self.identity, *more]))

    def _stored(self, k: int) -> NDArray[np.int16]:
        x, y = POSITIONS[self.position]
        hu = self.phantom.volume.hu[k, ::y, ::x].astype(np.float64)
        return np.asarray(np.rint((hu - self.intercept) / self.slope), "<i2")

    def _corner(self, k: int) -> list[float]:
        """Patient position of the first stored pixel."""
        x, y = POSITIONS[self.position]
        _, rows, columns = self.phantom.volume.hu.shape
        index = np.array((0 if x > 0 else columns - 1, 0 if y > 0 else rows - 1, k, 1))
        return [round(float(v), 4) for v in (self.phantom.volume.affine @ index)[:3]]

    def image(self, k: int, number: int) -> FileDataset:
        """The image of canonical slice ``k``."""
        spec, volume = self.phantom.spec, self.phantom.volume
        dz, dy, dx = volume.spacing_mm
        x, y = POSITIONS[self.position]
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = self._uid("image", *self.storage, str(k))  # type: ignore[assignment]
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)

        ds.PatientName, ds.PatientID, ds.PatientBirthDate = "PHANTOM^SYNTHETIC", f"PHANTOM-{spec.seed:06d}", ""
        ds.PatientSex, ds.PatientAge = spec.sex, f"{spec.age:03d}Y"
        ds.StudyInstanceUID, ds.StudyID, ds.StudyDate, ds.StudyTime = self.study, "1", _DAY, _TIME
        ds.ReferringPhysicianName, ds.AccessionNumber = "", ""
        part = _BODY_PART[spec.kind]
        ds.StudyDescription = f"SYNTHETIC {part} CT"
        ds.Modality, ds.SeriesInstanceUID, ds.SeriesNumber = "CT", self.series, 1
        ds.SeriesDescription, ds.BodyPartExamined = "SYNTHETIC PHANTOM", part
        ds.PatientPosition = self.position
        ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = self.frame, ""
        ds.Manufacturer, ds.ManufacturerModelName = "vcf-triton", "spine phantom"
        ds.SoftwareVersions = "1"

        ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
        ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        ds.InstanceNumber, ds.AcquisitionNumber = number, 1
        ds.ContentDate, ds.ContentTime, ds.AcquisitionDate, ds.AcquisitionTime = _DAY, _TIME, _DAY, _TIME
        ds.QualityControlImage, ds.BurnedInAnnotation, ds.LossyImageCompression = "YES", "NO", "00"
        ds.KVP, ds.ConvolutionKernel = 120, self.kernel
        ds.SliceThickness = round(dz * spec.acquisition.overlap, 4)
        ds.SpacingBetweenSlices = round(dz, 4)
        ds.ReconstructionDiameter = round(dx * volume.hu.shape[2], 3)
        if spec.body.blood_hu > 100:
            ds.ContrastBolusAgent = "SYNTHETIC"

        ds.PixelSpacing = [round(dy, 6), round(dx, 6)]
        ds.ImageOrientationPatient = [x, 0, 0, 0, y, 0]
        ds.ImagePositionPatient = self._corner(k)
        ds.SliceLocation = ds.ImagePositionPatient[2]
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.Rows, ds.Columns = volume.hu.shape[1:]
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
        ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = self.intercept, self.slope, "HU"
        ds.WindowCenter, ds.WindowWidth = 40, 400
        ds.PixelData = self._stored(k).tobytes()
        return ds
