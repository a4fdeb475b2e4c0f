# SPDX-License-Identifier: Apache-2.0
"""The meaning of each flag to a reader of the findings, in one plain sentence."""

from vcf_contract.errors import Code

MEANING: dict[Code, str] = {
    Code.AGE_UNDER_50: "The patient is younger than 50; the method was only studied on patients of 50 and over.",
    Code.AGE_UNKNOWN: "The images do not say how old the patient is; the method was only studied from 50 years on.",
    Code.LUNG_WINDOW: "The series asks to be shown in a lung window. It was not reconstructed with a lung kernel, "
    "so it was analysed.",
    Code.THICK_SLICES: "The slices are thicker than 3 mm: a slight loss of height can be missed.",
    Code.SLICES_FILLED: "One or two missing slices were filled in from their neighbours.",
    Code.BLANK_SLICES: "Slices at the ends of the scan show no body; they were left out.",
    Code.FRAMES_DIFFER: "The images name different frames of reference, as after some anonymisation. Their positions "
    "make one regular scan, so they were analysed as one.",
    Code.REPEATED_UIDS: "Different images of the series carry the same identifier; each was used in its place.",
    Code.TRANSFORMS_DIFFER: "The two transforms of the NIfTI file do not agree in every detail; the sform was used "
    "where it says anything, otherwise the qform.",
    Code.RESCALE_DIFFERS: "The images of the series differ in how their values are stored or rescaled; each was read "
    "as its own header says.",
    Code.CODE_STREAM_DIFFERS: "Compressed images and their headers disagree on the sign or depth of the values, which "
    "may be wrong for that reason.",
    Code.TRUNCATED: "Some images were damaged or incomplete, and were not used.",
    Code.DUPLICATE_POSITION: "Some images lie at the same position; one at each was used.",
    Code.TILT_CORRECTED: "The gantry was tilted; the slices were shifted back into place, and ends where "
    "that leaves the spine uncovered were left out.",
    Code.LOSSY: "The images were compressed with loss at some time: fine bone structure may have changed.",
    Code.METAL: "There is metal in the scan; streaks around it can hide or imitate a fracture.",
    Code.CANAL_INTERPOLATED: "The spinal canal was not found on every slice looked at; between those where it was, "
    "its course is a straight line.",
    Code.CANAL_EXTRAPOLATED: "The spinal canal was not found up to the end of the scan; its course was held straight "
    "for up to 30 mm.",
    Code.SPINE_SHORTENED: "A part of the scan at its upper or lower end was not analysed, because the spinal canal "
    "was not found there.",
}


def meaning(flag: str) -> str:
    """The sentence for a flag; for one that this client does not know yet, that."""
    if flag in Code.__members__ and Code(flag) in MEANING:
        return MEANING[Code(flag)]
    return "This version of the client has no explanation for the flag."
