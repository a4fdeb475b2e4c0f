# SPDX-License-Identifier: Apache-2.0
"""Series that are not analysed for what they are: no CT pictures of the body, or excluded by the paper (§3.1).

Sentences name the rule that matched, never the text of an element: descriptions are free text and can name the patient.
"""

import re

from vcf_client.dicom.slices import MODALITY_CT, Facts
from vcf_client.dicom.transfer import is_supported
from vcf_contract.errors import Code, StudyRefused

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
CT_CLASSES = frozenset({CT_IMAGE, f"{CT_IMAGE}.1", f"{CT_IMAGE}.2"})
"""CT, Enhanced CT and Legacy Converted Enhanced CT Image Storage (PS3.4 annex B.5)."""
PET_MODALITY = "PT"
MIN_FIELD_OF_VIEW_MM = 250.0

_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_MODALITIES = {
    *("CR", "DX", "ES", "IO", "IVUS", "MG", "MR", "NM", "OCT", "OT", "PR", "PT", "PX", "REG", "RF", "RG", "SC", "SEG"),
    *("SM", "SR", "US", "XA", "XC", "RTDOSE", "RTIMAGE", "RTPLAN", "RTSTRUCT"),
}
"""Only these are named in a sentence."""
_LOCALIZER_TYPES = frozenset({"LOCALIZER", "SCOUT", "TOPOGRAM", "SURVIEW"})
_DERIVED_TYPES = {
    *("MPR", "MPVR", "MIP", "MINIP", "MAX_IP", "MIN_IP", "CPR", "CURVED_MPR", "REFORMATTED", "PROJECTION_IMAGE"),
    *("VRT", "VR", "3D", "SSD", "VOLUME_RENDER", "SURFACE_RENDER", "SCREEN_SAVE", "SCREENSHOT", "DOSE_INFO"),
    *("PERFUSION", "SUBTRACTION", "MATERIAL_DENSITY"),
}
_DERIVED_WORDS = re.compile(
    r"\b(dose (report|info|record|summary)|rapport dose|dosis ?(protokoll|bericht)|patient protocol"
    r"|mip|minip|mpr|vrt|screen ?save)\b"
)
_PET_WORDS = re.compile(r"\b(pet|pet ?ct|ct ?ac|ac ?ct|ac map|attenuation( correction)?|att corr)\b")
_CARDIAC_WORDS = re.compile(
    r"(?<!\bnon )(?<!\bnot )\b(cardiac|cardio|heart|coronar\w*|calcium|ca ?scor\w*|cascore|ctca|ccta"
    r"|(?:best|mid)? ?(?:diast\w*|syst\w*) \d+)\b"
)
_LUMBAR_WORDS = re.compile(r"\b(lumbar|lumbal\w*|lumbo ?sacral|l ?spine|ls ?spine|lws|lwk|rachis lombaire)\b")
_TRUNK_WORDS = re.compile(r"\b(chest|thora\w+|abd\w*|cap|tap|trunk|torso|body|pulmonary|lung)\b")
_LUMBAR_PARTS = frozenset({"LSPINE", "LSSPINE", "LUMBAR", "LUMBARSPINE", "LWS"})
_UNITS_NOT_HU = frozenset({"OD", "MGML", "Z_EFF", "ED", "EDW", "PCT"})

_LUNG_KERNELS = {
    "LUNG": re.compile(r"lung\w*", re.I),
    "B70 or sharper": re.compile(r"[BI](7\d|8\d|9\d)[a-z]?(\W.*)?"),
    "Bl": re.compile(r"Bl\d\d.*"),
    "YA or YB": re.compile(r"Y[AB]"),
    "L": re.compile(r"L"),
    "FC50 to FC59": re.compile(r"FC5\d.*", re.I),
}
"""GE; Siemens, two generations; Philips, two; Canon and Toshiba."""
_SHARP_KERNELS = re.compile(r"(bone\w*|edge|detail|[BI]6\d.*|B[rv]6\d.*|FC[38]\d.*|YC|D|E)", re.I)


def refuse_kind(facts: Facts) -> None:
    """Raise StudyRefused unless these are CT pictures as a scanner reconstructs them."""
    modality = facts.modality or (MODALITY_CT if facts.sop_class in CT_CLASSES else "")
    if not modality:
        named = "and the SOP class is no CT image" if facts.sop_class else "and no SOP class either"
        raise StudyRefused(Code.NOT_CT, f"no modality is given, {named}; CT is accepted")
    if modality != MODALITY_CT:
        found = f"modality {modality}" if modality in _MODALITIES else "another modality"
        raise StudyRefused(Code.NOT_CT, f"{found} was found; CT is accepted")
    types = {t.replace(" ", "_") for t in facts.image_type}
    if types & _LOCALIZER_TYPES:
        raise StudyRefused(Code.LOCALIZER, "the image type is that of a localizer; axial CT slices are accepted")
    if facts.sop_class.startswith(_SECONDARY_CAPTURE):
        raise StudyRefused(Code.DERIVED_IMAGE, "a secondary capture was found; original CT slices are accepted")
    if facts.sop_class and facts.sop_class not in CT_CLASSES:
        raise StudyRefused(
            Code.UNSUPPORTED_SOP, "the SOP class is no CT image; CT, Enhanced CT and Legacy Converted CT are accepted"
        )
    if derived := sorted(types & _DERIVED_TYPES):
        raise StudyRefused(
            Code.DERIVED_IMAGE, f"the image type holds {', '.join(derived)}; original axial slices are accepted"
        )
    if facts.image_type[:2] != ("ORIGINAL", "PRIMARY") and _DERIVED_WORDS.search(facts.words):
        raise StudyRefused(
            Code.DERIVED_IMAGE,
            "the description names a dose report or a reformat; original axial slices are accepted",
        )
    if facts.samples != 1 or (facts.photometric and not facts.photometric.startswith("MONOCHROME")):
        raise StudyRefused(Code.DERIVED_IMAGE, "the pictures are coloured; one grey value a pixel is accepted")


def refuse_format(facts: Facts) -> None:
    """Raise StudyRefused where pixels must not or cannot be read."""
    if facts.burned_in:
        raise StudyRefused(
            Code.BURNED_IN, "text is burned into the pictures (BurnedInAnnotation YES); pictures without are accepted"
        )
    if not is_supported(facts.transfer_syntax):
        raise StudyRefused(
            Code.BAD_TRANSFER_SYNTAX,
            "the transfer syntax cannot be decoded here; uncompressed, deflated, RLE, JPEG, JPEG-LS and JPEG 2000 are "
            "accepted",
        )
    if facts.bits_allocated not in (8, 16, 32) or not 1 <= facts.bits_stored <= facts.bits_allocated:
        raise StudyRefused(
            Code.UNSUPPORTED_SOP,
            f"{facts.bits_stored} bits stored in {facts.bits_allocated} allocated; up to 8, 16 or 32 are accepted",
        )


def refuse_purpose(facts: Facts, beside_pet: bool) -> None:
    """Raise StudyRefused for the kinds of CT that the paper excludes, as far as headers tell.

    beside_pet
        Whether a PET series came along in the same frame of reference.
    """
    every_word = f"{facts.words} {facts.study_words}"
    if beside_pet:
        raise StudyRefused(Code.PET_CT, "a PET series shares the frame of reference; a CT of its own is accepted")
    if _PET_WORDS.search(every_word):
        raise StudyRefused(
            Code.PET_CT, "the description names PET or attenuation correction; a diagnostic CT is accepted"
        )
    if kernel := lung_kernel(facts.kernel):
        raise StudyRefused(
            Code.LUNG_KERNEL, f"the reconstruction kernel is a lung kernel ({kernel}); a soft or standard is accepted"
        )
    if facts.ecg_gated:
        raise StudyRefused(Code.CARDIAC, "the scan is gated by ECG; a chest or abdomen CT without gating is accepted")
    if _CARDIAC_WORDS.search(every_word):
        raise StudyRefused(Code.CARDIAC, "the description is of a cardiac scan; a chest or abdomen CT is accepted")
    if facts.body_part in _LUMBAR_PARTS or (_LUMBAR_WORDS.search(every_word) and not _TRUNK_WORDS.search(every_word)):
        raise StudyRefused(Code.LUMBAR_SPINE_CT, "the scan is of the lumbar spine; a chest or abdomen CT is accepted")


def refuse_small_field(field_of_view_mm: float) -> None:
    """Raise StudyRefused where the picture covers no whole trunk: scans of the heart, of the spine alone, of a limb."""
    if field_of_view_mm < MIN_FIELD_OF_VIEW_MM:
        raise StudyRefused(
            Code.SMALL_FIELD_OF_VIEW,
            f"the field of view is {field_of_view_mm:.0f} mm; {MIN_FIELD_OF_VIEW_MM:.0f} mm and more are accepted",
        )


def refuse_units(rescale_type: str) -> None:
    """Raise StudyRefused for maps of a dual-energy scan, whose values are no HU (PS3.3 section C.11.1.1.2)."""
    if rescale_type in _UNITS_NOT_HU:
        raise StudyRefused(Code.BAD_HU, f"the values are in {rescale_type}; Hounsfield units are accepted")


def lung_kernel(kernel: str) -> str:
    """The name of the lung kernel rule that a ConvolutionKernel meets; empty for none."""
    return next((name for name, rule in _LUNG_KERNELS.items() if rule.fullmatch(kernel.strip())), "")


def is_sharp(kernel: str) -> bool:
    """Return whether a kernel is one for bone: usable, but a soft or standard one of the same scan is preferred."""
    return bool(_SHARP_KERNELS.fullmatch(kernel.strip()))
