# SPDX-License-Identifier: Apache-2.0
from pathlib import Path
from typing import Any

import pytest

from tests.clients.dicom import factory
from vcf_client.dicom.exclusions import is_sharp, lung_kernel
from vcf_client.dicom.header import age_years
from vcf_client.reader import read_study
from vcf_contract.errors import Code, StudyRefused


def code_of(folder: Path, **elements: Any) -> Code | None:
    """The refusal of a series that only differs in these elements; None when it is read."""
    try:
        read_study(factory.write(folder, factory.make_series(slices=26, **elements)))
    except StudyRefused as refusal:
        return refusal.code
    return None


REFUSED: list[tuple[Code, dict[str, Any]]] = [
    (Code.NOT_CT, {"Modality": "MR"}),
    (Code.NOT_CT, {"Modality": "MR", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.4"}),
    (Code.UNSUPPORTED_SOP, {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.128"}),
    (Code.DERIVED_IMAGE, {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}),
    (Code.DERIVED_IMAGE, {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7.3"}),
    (Code.LOCALIZER, {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER", "CT_SOM5 TOP"]}),
    (Code.DERIVED_IMAGE, {"ImageType": ["DERIVED", "SECONDARY", "MPR"]}),
    (Code.DERIVED_IMAGE, {"ImageType": ["DERIVED", "SECONDARY", "AXIAL", "MIP"]}),
    (Code.DERIVED_IMAGE, {"ImageType": ["DERIVED", "PRIMARY", "PROJECTION IMAGE"]}),
    (Code.DERIVED_IMAGE, {"ImageType": ["DERIVED", "SECONDARY"], "SeriesDescription": "Dose Report"}),
    (Code.DERIVED_IMAGE, {"ImageType": ["DERIVED", "SECONDARY"], "SeriesDescription": "THK_MIP"}),
    (Code.DERIVED_IMAGE, {"PhotometricInterpretation": "PALETTE COLOR"}),
    (Code.PET_CT, {"SeriesDescription": "CTAC 3.75"}),
    (Code.PET_CT, {"StudyDescription": "PET/CT Skull base to thigh"}),
    (Code.PET_CT, {"ProtocolName": "Attenuation correction"}),
    (Code.LUNG_KERNEL, {"ConvolutionKernel": "LUNG"}),
    (Code.LUNG_KERNEL, {"ConvolutionKernel": ["Bl57d", "3"]}),
    (Code.LUNG_KERNEL, {"ConvolutionKernel": "B80f"}),
    (Code.CARDIAC, {"SeriesDescription": "CaScore 3.0 B35f"}),
    (Code.CARDIAC, {"ProtocolName": "CORONARY_CTA"}),
    (Code.CARDIAC, {"StudyDescription": "CT HEART"}),
    (Code.CARDIAC, {"ScanOptions": "CARDIAC HELICAL"}),
    (Code.CARDIAC, {"CardiacSynchronizationTechnique": "RETROSPECTIVE"}),
    (Code.NOT_CT, {"Modality": None, "SOPClassUID": None}),
    (Code.SMALL_FIELD_OF_VIEW, {"spacing_mm": (4.0, 4.4)}),  # 60 rows of 4 mm are 240 mm
    (Code.SMALL_FIELD_OF_VIEW, {"spacing_mm": (4.0, 4.4), "BodyPartExamined": "TSPINE"}),
    (Code.CARDIAC, {"spacing_mm": (4.0, 4.4), "ProtocolName": "CORONARY_CTA"}),
    (Code.LUMBAR_SPINE_CT, {"BodyPartExamined": "LSPINE"}),
    (Code.LUMBAR_SPINE_CT, {"StudyDescription": "", "SeriesDescription": "L-SPINE 3.0"}),
    (Code.LUMBAR_SPINE_CT, {"StudyDescription": "CT LUMBAR SPINE WO", "SeriesDescription": "3.0"}),
    (Code.BURNED_IN, {"BurnedInAnnotation": "YES"}),
    (Code.NO_RESCALE, {"RescaleSlope": None}),
    (Code.NO_RESCALE, {"RescaleIntercept": None}),
    (Code.NO_RESCALE, {"RescaleSlope": 0}),
    (Code.BAD_HU, {"RescaleType": "Z_EFF"}),
    (Code.SLICE_TOO_THICK, {"SliceThickness": 10}),
    (Code.SLICE_TOO_THICK, {"step_mm": 5.5}),
    (Code.TOO_SHORT, {"step_mm": 4.5}),
]


@pytest.mark.parametrize(("code", "elements"), REFUSED, ids=lambda v: str(v)[:70])
def test_refused(tmp_path: Path, code: Code, elements: dict[str, Any]) -> None:
    assert code_of(tmp_path, **elements) == code


ACCEPTED: list[dict[str, Any]] = [
    {},
    {"Modality": None},
    {"SOPClassUID": None},
    {"ImageType": ["DERIVED", "SECONDARY", "PROCESSED"]},
    {"ImageType": None},
    {"SeriesDescription": "THK_MIP"},  # an original, whatever the protocol is called
    {"StudyDescription": "CT CAP WITH TRIPHASIC LIVER (NON-ANGIOGRAPHIC), NON-CARDIAC"},
    {"ProtocolName": "3.11 TRAUMA CHEST/ABD/PEL (NON CONTRAST) T-L SP PELVIS"},
    {"StudyDescription": "CT CHEST ABDOMEN, LUMBAR SPINE REFORMATS"},
    {"ConvolutionKernel": "BONE"},
    {"ConvolutionKernel": "Br40d"},
    {"ScanOptions": "HELICAL MODE"},
    {"CardiacSynchronizationTechnique": "NONE"},
    {"RescaleType": "HU"},
    {"RescaleType": "US"},
    {"SliceThickness": 5.0004},
    {"SliceThickness": None},
    {"PhotometricInterpretation": "MONOCHROME1"},
    {"PhotometricInterpretation": None},
    {"SamplesPerPixel": None},
    {"SamplesPerPixel": None, "PhotometricInterpretation": None},
    {"BurnedInAnnotation": "NO"},
    {"step_mm": 4.65},  # 26 slices of it are 121 mm
]


@pytest.mark.parametrize("elements", ACCEPTED, ids=str)
def test_accepted(tmp_path: Path, elements: dict[str, Any]) -> None:
    assert code_of(tmp_path, **elements) is None


@pytest.mark.parametrize(
    ("elements", "words"),
    [
        ({"Modality": None, "SOPClassUID": None}, "no modality is given, and no SOP class either"),
        ({"Modality": None, "SOPClassUID": "1.2.840.10008.5.1.4.1.1.4"}, "and the SOP class is no CT image"),
        ({"spacing_mm": (4.0, 4.4)}, "the field of view is 246 mm; 250 mm"),
        ({"PhotometricInterpretation": "RGB"}, "the pictures are coloured"),
        ({"SamplesPerPixel": 3}, "the pictures are coloured"),
    ],
)
def test_sentences(tmp_path: Path, elements: dict[str, Any], words: str) -> None:
    with pytest.raises(StudyRefused) as caught:
        read_study(factory.write(tmp_path, factory.make_series(slices=26, **elements)))
    assert words in caught.value.sentence


@pytest.mark.parametrize(
    ("flags", "elements"),
    [
        ((), {"step_mm": 3.0, "slices": 42}),
        ((Code.THICK_SLICES,), {"step_mm": 3.1, "slices": 42}),
        ((Code.LOSSY,), {"LossyImageCompression": "01", "step_mm": 3.0, "slices": 42}),
        ((Code.LUNG_WINDOW,), {"WindowCenter": -600, "WindowWidth": 1500, "step_mm": 3.0, "slices": 42}),
        ((Code.LUNG_WINDOW,), {"WindowCenter": [-500, 40], "WindowWidth": [1400, 400], "step_mm": 3.0, "slices": 42}),
        ((), {"WindowCenter": 40, "WindowWidth": 400, "step_mm": 3.0, "slices": 42}),
    ],
)
def test_flags(tmp_path: Path, flags: tuple[Code, ...], elements: dict[str, Any]) -> None:
    assert read_study(factory.write(tmp_path, factory.make_series(**elements))).flags == flags


def test_pet_series_in_the_same_frame_of_reference(tmp_path: Path) -> None:
    series = factory.make_series(slices=26)
    with pytest.raises(StudyRefused) as caught:
        read_study(factory.write(tmp_path / "same", series, [factory.pet_of(series)]))
    assert caught.value.code == Code.PET_CT
    pet = factory.pet_of(series)
    pet.FrameOfReferenceUID = "1.2.3"
    assert read_study(factory.write(tmp_path / "other", series, [pet])).volume.hu.shape[0] == 26


GE_SIEMENS_LUNG = ("LUNG", "lung", "LUNG2", "B70f", "B70s", "B75f", "B80f", "I70f", "Bl57", "Bl57d", "Bl64f")
OTHER_LUNG = ("YA", "YB", "L", "FC50", "FC51", "FC52", "FC55")


@pytest.mark.parametrize("kernel", GE_SIEMENS_LUNG + OTHER_LUNG)
def test_lung_kernels(kernel: str) -> None:
    assert lung_kernel(kernel)


GE_PHILIPS_SOFT = ("STANDARD", "STD+", "SOFT", "BONE", "CHST", "DETAIL", "A", "B", "C", "")
SIEMENS_SOFT = ("B30f", "B31f", "B45f", "B60f", "Br40d", "Br59", "Bv36", "I31f", "Hr68")
CANON_SOFT = ("FC01", "FC13", "FC17", "FC21", "FC30", "FL")


@pytest.mark.parametrize("kernel", GE_PHILIPS_SOFT + SIEMENS_SOFT + CANON_SOFT)
def test_other_kernels(kernel: str) -> None:
    assert not lung_kernel(kernel)


def test_sharp_kernels() -> None:
    assert [k for k in ("BONE", "BONEPLUS", "B60f", "Br64d", "FC30", "D") if not is_sharp(k)] == []
    assert [k for k in ("STANDARD", "B30f", "Br40d", "FC17", "B", "SOFT") if is_sharp(k)] == []


@pytest.mark.parametrize(
    ("age", "study", "birth", "years"),
    [
        ("058Y", "", "", 58.0),
        ("58Y", "", "", 58.0),
        ("018M", "", "", 1.5),
        ("000Y", "20200101", "19500101", None),  # written over by a de-identification
        ("", "20200101", "19500101", 70.0),
        ("", "2020.01.01", "1950.01.01", 70.0),
        ("", "20200101", "18000101", None),
        ("", "20200101", "", None),
        ("", "20201399", "19500101", None),
        ("abc", "", "", None),
        ("-5Y", "", "", None),
        ("", "19000101", "20000101", None),
    ],
)
def test_age(age: str, study: str, birth: str, years: float | None) -> None:
    assert age_years(age, study, birth) == (None if years is None else pytest.approx(years, abs=0.01))
