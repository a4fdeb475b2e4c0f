# SPDX-License-Identifier: Apache-2.0
"""The mid-sagittal picture with its findings as a Secondary Capture image (DICOM PS3.3 section A.8.1).

It carries no position, orientation or pixel spacing: the picture follows a curved spine, so no single plane of the
scanner holds it and no measurement on it would be right.
"""

from datetime import datetime

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from vcf_client import picture
from vcf_client.dicom.privacy import quiet
from vcf_client.dicom.result import WARNING, UidMaker, identify, random_uid
from vcf_client.dicom.source import SourceSeries
from vcf_client.findings import Findings

SERIES_NUMBER = 9802
SERIES_DESCRIPTION = "VCF mid-sagittal picture, not for diagnosis"

_BAND_PX, _TEXT_PX = 44, 26
_BAND_COLOUR, _TEXT_COLOUR = "#e8ecef", "#101418"


def secondary_capture(findings: Findings, source: SourceSeries, new_uid: UidMaker = random_uid) -> Dataset:
    """The picture of a study, positive or negative, in the study of its source.

    Parameters
    ----------
    new_uid
        Makes the UIDs for the roles ``picture-series`` and ``picture``.

    Returns
    -------
    Dataset
        With file meta information: ``save_as`` writes it as a file.
    """
    image = Dataset()
    with quiet():
        identify(image, source, findings.model.hash)
    now = datetime.now()
    image.InstanceCreationDate = image.ContentDate = image.DateOfSecondaryCapture = now.strftime("%Y%m%d")
    image.InstanceCreationTime = image.ContentTime = image.TimeOfSecondaryCapture = now.strftime("%H%M%S")
    image.SOPClassUID = SecondaryCaptureImageStorage
    image.SOPInstanceUID = new_uid("picture")
    image.SeriesInstanceUID = new_uid("picture-series")
    image.SeriesNumber, image.InstanceNumber = SERIES_NUMBER, 1
    image.SeriesDescription = SERIES_DESCRIPTION
    image.Modality = "OT"
    image.ConversionType = "WSD"
    image.BodyPartExamined = "SPINE"
    image.PatientOrientation = None
    image.ImageType = ["DERIVED", "SECONDARY", "OTHER"]
    image.DerivationDescription = (
        f"{WARNING}. Sagittal reconstruction along the spinal canal, with the findings of an algorithm drawn on it. "
        f"{findings.notice}"
    )
    image.ImageComments = f"{WARNING}. {findings.notice}"
    image.BurnedInAnnotation = "NO"  # of the patient's identity, which is what this attribute speaks of
    image.LossyImageCompression = "00"
    image.DerivationCodeSequence = [_item(codes.DCM.CurvedMultiplanarReformatting)]
    image.SourceImageSequence = [_reference(*instance) for instance in source.instances]
    _set_pixels(image, _with_warning(picture.draw(findings)))
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = image.SOPClassUID
    meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.file_meta = meta
    return image


def _with_warning(drawn: Image.Image) -> Image.Image:
    """The picture above a band that no viewer's settings can hide."""
    canvas = Image.new("RGB", (drawn.width, drawn.height + _BAND_PX), _BAND_COLOUR)
    canvas.paste(drawn, (0, 0))
    ImageDraw.Draw(canvas).text(
        (canvas.width / 2, drawn.height + _BAND_PX / 2),
        WARNING,
        fill=_TEXT_COLOUR,
        font=ImageFont.load_default(_TEXT_PX),
        anchor="mm",
    )
    return canvas


def _set_pixels(image: Dataset, canvas: Image.Image) -> None:
    pixels = np.asarray(canvas, np.uint8)
    image.Rows, image.Columns = pixels.shape[:2]
    image.SamplesPerPixel, image.PlanarConfiguration = 3, 0
    image.PhotometricInterpretation = "RGB"
    image.BitsAllocated = image.BitsStored = 8
    image.HighBit, image.PixelRepresentation = 7, 0
    raw = pixels.tobytes()
    image.PixelData = raw + b"\0" * (len(raw) % 2)
    image["PixelData"].VR = "OB"


def _reference(sop_class: str, uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, uid
    item.PurposeOfReferenceCodeSequence = [_item(codes.DCM.SourceImageForImageProcessingOperation)]
    return item


def _item(code: Code) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme_designator, code.meaning
    return item
