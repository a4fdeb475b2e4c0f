# SPDX-License-Identifier: Apache-2.0
"""A small made-up CT series as DICOM files, complete enough for a PACS and for the reader."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid


@dataclass
class CtSeries:
    """Axial slices of a cylinder with a brighter column in it, 5 mm apart, feet first in the file order.

    elements
        Set on every image, after the usual ones; None leaves the element out.
    """

    slices: int = 40
    size: int = 64
    study_uid: str = field(default_factory=lambda: str(generate_uid(prefix=None)))
    series_uid: str = field(default_factory=lambda: str(generate_uid(prefix=None)))
    frame_of_reference_uid: str = field(default_factory=lambda: str(generate_uid(prefix=None)))
    elements: dict[str, object] = field(default_factory=dict)

    def images(self) -> list[Dataset]:
        """The data sets, with file meta information."""
        y, x = np.mgrid[: self.size, : self.size] / self.size - 0.5
        hu = np.where(np.hypot(y, x) < 0.42, 30, -1000)
        hu[np.hypot(y - 0.2, x) < 0.06] = 300
        noise = np.random.default_rng(len(self.study_uid)).integers(-9, 10, (self.slices, self.size, self.size))
        return [self._image(number, hu + noise[number]) for number in range(self.slices)]

    def write(self, folder: Path) -> list[Path]:
        """One file a slice."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for number, image in enumerate(self.images()):
            paths.append(folder / f"{number:04}.dcm")
            image.save_as(paths[-1], enforce_file_format=True)
        return paths

    def _image(self, number: int, hu: np.ndarray) -> Dataset:  # type: ignore[type-arg]
        image = Dataset()
        image.SpecificCharacterSet = "ISO_IR 100"
        image.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        image.SOPClassUID, image.SOPInstanceUID = CTImageStorage, f"{self.series_uid}.{number + 1}"
        image.StudyDate = image.SeriesDate = image.AcquisitionDate = image.ContentDate = "20200229"
        image.StudyTime = image.SeriesTime = image.AcquisitionTime = image.ContentTime = "101112"
        image.AccessionNumber = "A1"
        image.Modality = "CT"
        image.Manufacturer = "none"
        image.ReferringPhysicianName = ""
        image.StudyDescription = "CT chest abdomen"
        image.SeriesDescription = "Body 5 mm"
        image.PatientName, image.PatientID = "Müller^Jörg", "P1"
        image.PatientBirthDate, image.PatientSex, image.PatientAge = "19500102", "M", "070Y"
        image.BodyPartExamined, image.KVP = "CHEST", 120
        image.SliceThickness = 5
        image.ConvolutionKernel = "STANDARD"
        image.StudyInstanceUID, image.SeriesInstanceUID = self.study_uid, self.series_uid
        image.FrameOfReferenceUID = self.frame_of_reference_uid
        image.PositionReferenceIndicator = ""
        image.StudyID, image.SeriesNumber, image.AcquisitionNumber = "S1", 2, 1
        image.InstanceNumber = number + 1
        image.PatientPosition = "HFS"
        image.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        image.ImagePositionPatient = [-180, -180, 5 * number - 100]
        image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
        image.Rows = image.Columns = self.size
        image.PixelSpacing = [round(400 / self.size, 4)] * 2
        image.BitsAllocated = image.BitsStored = 16
        image.HighBit, image.PixelRepresentation = 15, 1
        image.RescaleIntercept, image.RescaleSlope, image.RescaleType = 0, 1, "HU"
        image.PixelData = hu.astype("<i2").tobytes()
        image["PixelData"].VR = "OW"
        for keyword, value in self.elements.items():
            if value is None:
                del image[keyword]
            else:
                setattr(image, keyword, value)
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        image.file_meta = meta
        return image
