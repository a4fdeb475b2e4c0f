# SPDX-License-Identifier: Apache-2.0
"""Why a study is refused, in one plain sentence a code; a refusal's own sentence says what was found in the study.

Codes that are not here are flags alone (``vcf_client.flags``).
"""

from vcf_contract.errors import Code

REFUSED: dict[Code, str] = {
    Code.NOT_CT: "The images are no CT.",
    Code.UNSUPPORTED_SOP: "The SOP class is none of CT, Enhanced CT and Legacy Converted Enhanced CT.",
    Code.LOCALIZER: "The series is a localizer.",
    Code.DERIVED_IMAGE: "The images are no original slices: captures, maps, coloured pictures.",
    Code.PET_CT: "The series is the CT of a PET/CT.",
    Code.LUNG_KERNEL: "The series is reconstructed with a lung kernel.",
    Code.CARDIAC: "The series is of the heart.",
    Code.LUMBAR_SPINE_CT: "The series is a CT of the lumbar spine alone.",
    Code.SMALL_FIELD_OF_VIEW: "The slices show less than the body's width.",
    Code.AGE_UNDER_50: "The patient is younger than 50, and the age policy is to refuse that.",
    Code.AGE_UNKNOWN: "The images do not say how old the patient is, and the age policy is to refuse that.",
    Code.TOO_SHORT: "The scan covers too little of the spine, or has too few slices.",
    Code.TOO_LONG: "The scan or the spine is longer than is accepted.",
    Code.TOO_LARGE: "The study is larger than a message, or than the server takes.",
    Code.SLICE_TOO_THICK: "The slices are too thick.",
    Code.MISSING_SLICES: "Slices are missing within the scan.",
    Code.IRREGULAR_SPACING: "The slices are not evenly spaced.",
    Code.AMBIGUOUS_SERIES: "The series holds several scans of the same place that nothing tells apart.",
    Code.MIXED_SERIES: "The images of the series do not belong together.",
    Code.TILT: "The gantry was tilted by more than can be corrected.",
    Code.OBLIQUE: "The slices are not axial.",
    Code.NO_GEOMETRY: "The files do not say where the slices lie.",
    Code.NO_RESCALE: "The files do not say how stored values become Hounsfield units.",
    Code.BAD_HU: "The values are no Hounsfield units of a body.",
    Code.BURNED_IN: "Text is burned into the pictures.",
    Code.BAD_TRANSFER_SYNTAX: "The images are compressed in a way that is not read.",
    Code.TRUNCATED: "Too many images are incomplete.",
    Code.DAMAGED: "A file is damaged.",
    Code.NOT_DICOM: "There is no DICOM file.",
    Code.NO_IMAGES: "There is no image.",
    Code.INCOMPLETE: "Images of the study could not be had.",
    Code.SPINE_NOT_FOUND: "The detector did not find a spinal canal.",
    Code.BAD_INPUT: "The request or the file is not of a form that is read.",
}
