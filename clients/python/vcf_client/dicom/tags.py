# SPDX-License-Identifier: Apache-2.0
"""The elements that the readers look at, by their keywords (DICOM PS3.6, section 6)."""

from enum import IntEnum


class Tag(IntEnum):
    """Group and element in one number."""

    TransferSyntaxUID = 0x00020010
    DirectoryRecordSequence = 0x00041220
    DirectoryRecordType = 0x00041430
    ReferencedFileID = 0x00041500
    ImageType = 0x00080008
    SOPClassUID = 0x00080016
    SOPInstanceUID = 0x00080018
    StudyDate = 0x00080020
    Modality = 0x00080060
    Manufacturer = 0x00080070
    StudyDescription = 0x00081030
    SeriesDescription = 0x0008103E
    ManufacturerModelName = 0x00081090
    FrameType = 0x00089007
    VolumeBasedCalculationTechnique = 0x00089207
    PatientID = 0x00100020
    PatientBirthDate = 0x00100030
    PatientAge = 0x00101010
    BodyPartExamined = 0x00180015
    ScanOptions = 0x00180022
    SliceThickness = 0x00180050
    ProtocolName = 0x00181030
    ConvolutionKernel = 0x00181210
    CardiacSynchronizationTechnique = 0x00189037
    CTReconstructionSequence = 0x00189314
    CTImageFrameTypeSequence = 0x00189329
    StudyInstanceUID = 0x0020000D
    SeriesInstanceUID = 0x0020000E
    AcquisitionNumber = 0x00200012
    ImagePositionPatient = 0x00200032
    ImageOrientationPatient = 0x00200037
    FrameOfReferenceUID = 0x00200052
    TemporalPositionIdentifier = 0x00200100
    FrameContentSequence = 0x00209111
    PlanePositionSequence = 0x00209113
    PlaneOrientationSequence = 0x00209116
    TemporalPositionIndex = 0x00209128
    FrameAcquisitionNumber = 0x00209156
    SamplesPerPixel = 0x00280002
    PhotometricInterpretation = 0x00280004
    NumberOfFrames = 0x00280008
    Rows = 0x00280010
    Columns = 0x00280011
    PixelSpacing = 0x00280030
    BitsAllocated = 0x00280100
    BitsStored = 0x00280101
    HighBit = 0x00280102
    PixelRepresentation = 0x00280103
    PixelPaddingValue = 0x00280120
    PixelPaddingRangeLimit = 0x00280121
    BurnedInAnnotation = 0x00280301
    WindowCenter = 0x00281050
    WindowWidth = 0x00281051
    RescaleIntercept = 0x00281052
    RescaleSlope = 0x00281053
    RescaleType = 0x00281054
    LossyImageCompression = 0x00282110
    PixelMeasuresSequence = 0x00289110
    PixelValueTransformationSequence = 0x00289145
    SharedFunctionalGroupsSequence = 0x52009229
    PerFrameFunctionalGroupsSequence = 0x52009230
    PixelData = 0x7FE00010


SHARED_TAGS = (
    Tag.SOPClassUID,
    Tag.Modality,
    Tag.ImageType,
    Tag.SeriesInstanceUID,
    Tag.StudyInstanceUID,
    Tag.PatientID,
    Tag.FrameOfReferenceUID,
    Tag.Rows,
    Tag.Columns,
    Tag.BitsAllocated,
    Tag.BitsStored,
    Tag.HighBit,
    Tag.PixelRepresentation,
    Tag.SamplesPerPixel,
    Tag.PhotometricInterpretation,
    Tag.ConvolutionKernel,
    Tag.Manufacturer,
    Tag.ManufacturerModelName,
    Tag.BodyPartExamined,
    Tag.SeriesDescription,
    Tag.ProtocolName,
    Tag.StudyDescription,
    Tag.PatientAge,
    Tag.StudyDate,
    Tag.PatientBirthDate,
    Tag.BurnedInAnnotation,
    Tag.LossyImageCompression,
    Tag.WindowCenter,
    Tag.WindowWidth,
    Tag.CardiacSynchronizationTechnique,
    Tag.ScanOptions,
)
"""Usually equal in all slices of a series, so converted once."""

SLICE_TAGS = (
    Tag.SOPInstanceUID,
    Tag.ImagePositionPatient,
    Tag.ImageOrientationPatient,
    Tag.PixelSpacing,
    Tag.SliceThickness,
    Tag.RescaleSlope,
    Tag.RescaleIntercept,
    Tag.RescaleType,
    Tag.PixelPaddingValue,
    Tag.PixelPaddingRangeLimit,
    Tag.AcquisitionNumber,
    Tag.TemporalPositionIdentifier,
    Tag.NumberOfFrames,
    Tag.SharedFunctionalGroupsSequence,
    Tag.PerFrameFunctionalGroupsSequence,
    Tag.DirectoryRecordSequence,
)
