# SPDX-License-Identifier: Apache-2.0
"""The report against dciodvfy, and read back by highdicom as any receiver would."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO

import highdicom as hd
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from tests.clients.ct_series import CtSeries
from vcf_client import Findings
from vcf_client.dicom.source import SourceSeries
from vcf_client.dicom.structured_report import (
    ABSENT,
    COMPRESSION_FRACTURE,
    FINDING_SITE,
    PRESENT,
    refusal_report,
    structured_report,
)
from vcf_contract.errors import Code, StudyRefused

Dciodvfy = Callable[[Dataset], list[str]]
PROBABILITY = hd.sr.CodedConcept("122157", "DCM", "Probability")


def stored(report: Dataset) -> Dataset:
    """Written and read again."""
    file = BytesIO()
    report.save_as(file, enforce_file_format=True)
    file.seek(0)
    return dcmread(file)


def read_back(report: Dataset) -> hd.sr.Comprehensive3DSR:
    return hd.sr.Comprehensive3DSR.from_dataset(stored(report))


def texts(report: Dataset) -> list[str]:
    """All that the report says in words."""
    items = hd.sr.utils.find_content_items(read_back(report).content[0], value_type="TEXT", recursive=True)
    return [item.value for item in items]


@pytest.mark.parametrize("positive", [True, False])
def test_no_errors_by_the_standard(
    findings: Findings, negative: Findings, source: SourceSeries, dciodvfy: Dciodvfy, positive: bool
) -> None:
    assert dciodvfy(structured_report(findings if positive else negative, source)) == []


def test_each_positive_patch_is_a_finding_with_its_box(findings: Findings, source: SourceSeries) -> None:
    report = read_back(structured_report(findings, source))
    assert report.content[0].ContentTemplateSequence[0].TemplateIdentifier == "1500"
    groups = report.content.get_volumetric_roi_measurement_groups()
    positive = [patch for patch in findings.patches if findings.is_positive(patch)]
    assert len(groups) == len(positive) == 3
    for group, patch in zip(groups, positive, strict=True):
        assert group.finding_type == COMPRESSION_FRACTURE
        assert [site.value for site in group.finding_sites] == [codes.SCT.Spine]
        assert group.get_measurements(PROBABILITY)[0].value == pytest.approx(patch.score)
        surface = group.roi
        points = np.concatenate([item.value for item in surface if item.ValueType == "SCOORD3D"])
        np.testing.assert_allclose([points.min(0), points.max(0)], patch.box_mm, rtol=1e-6)
        assert all(
            item.ReferencedFrameOfReferenceUID == source.frame_of_reference_uid
            for item in surface
            if item.ValueType == "SCOORD3D"
        )
        assert surface.source_series_for_segmentation.value == source.series_uid


@pytest.mark.parametrize("positive", [True, False])
def test_the_study_as_a_whole_is_present_or_absent(
    findings: Findings, negative: Findings, source: SourceSeries, positive: bool
) -> None:
    chosen = findings if positive else negative
    content = read_back(structured_report(chosen, source)).content
    group = content.get_image_measurement_groups(tracking_uid=None)[0]
    assert group.get_measurements(PROBABILITY)[0].value == pytest.approx(chosen.study_score)
    evaluation = group.get_qualitative_evaluations(hd.sr.CodedConcept(*COMPRESSION_FRACTURE))
    assert [e.value for e in evaluation] == [PRESENT if positive else ABSENT]
    assert len(content.get_volumetric_roi_measurement_groups()) == (3 if positive else 0)


def test_algorithm_is_named_with_its_operating_point_and_weights(findings: Findings, source: SourceSeries) -> None:
    items = hd.sr.utils.find_content_items(
        read_back(structured_report(findings, source)).content[0], value_type="TEXT", recursive=True
    )
    said = {(item.name.value, item.value) for item in items}
    assert ("111001", "Vertebral compression fractures in CT") in said
    assert ("111002", f"SHA-256 of the weights {findings.model.hash}") in said
    assert ("111002", "operating point 0.4") in said
    assert any(code == "111003" for code, _ in said)
    assert any(code == "121106" and "NOT FOR DIAGNOSIS" in text and findings.notice in text for code, text in said)
    assert any(code == "121106" and text.startswith("THICK_SLICES: ") for code, text in said)


def test_same_patient_and_study_new_series_and_instance(findings: Findings, series: CtSeries) -> None:
    ct = series.images()[0]
    source = SourceSeries.from_headers(series.images())
    report = stored(structured_report(findings, source))
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate"):
        assert report[keyword].value == ct[keyword].value
    again = structured_report(findings, source)
    uids = [report.SeriesInstanceUID, report.SOPInstanceUID, again.SeriesInstanceUID, again.SOPInstanceUID]
    assert len({ct.SeriesInstanceUID, ct.SOPInstanceUID, *uids}) == 6


def test_every_source_image_is_evidence(findings: Findings, source: SourceSeries) -> None:
    evidence = read_back(structured_report(findings, source)).get_evidence()
    assert {(str(series), str(instance)) for _, series, instance, _ in evidence} == {
        (source.series_uid, uid) for _, uid in source.instances
    }


def test_uids_come_from_the_maker(findings: Findings, source: SourceSeries) -> None:
    numbers: dict[str, str] = {}
    counter = itertools.count(1)

    def new_uid(role: str) -> str:
        return numbers.setdefault(role, f"2.25.{next(counter)}")

    first = structured_report(findings, source, new_uid)
    second = structured_report(findings, source, new_uid)
    assert first.SOPInstanceUID == second.SOPInstanceUID == numbers["report"]
    assert set(numbers) == {"report-series", "report", "study", "finding-1", "finding-2", "finding-3"}
    said = str(first.ContentSequence)
    assert all(uid in said for role, uid in numbers.items() if not role.startswith("report"))


def test_no_level_and_no_grade(findings: Findings, source: SourceSeries) -> None:
    report = structured_report(findings, source)
    sites = hd.sr.utils.find_content_items(read_back(report).content[0], name=FINDING_SITE, recursive=True)
    assert {item.value.value for item in sites} == {"421060004"}
    assert "grade" not in str(report.ContentSequence).lower()


def test_without_frame_of_reference_there_are_findings_but_no_coordinates(
    findings: Findings, source: SourceSeries, dciodvfy: Dciodvfy
) -> None:
    report = structured_report(findings, replace(source, frame_of_reference_uid=""))
    assert len(read_back(report).content.get_image_measurement_groups()) == 4
    assert "SCOORD3D" not in str(report.ContentSequence)
    assert any("no frame of reference" in text for text in texts(report))
    assert dciodvfy(report) == []


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("ISO_IR 192", "Wang^XiaoDong=王^小东"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        ("ISO_IR 144", "Люкceмбypг"),
        (None, "Doe^Jane"),
    ],
)
def test_names_in_other_scripts(findings: Findings, dciodvfy: Dciodvfy, charset: object, name: str) -> None:
    source = SourceSeries.from_headers(
        [
            stored(image)
            for image in CtSeries(slices=2, elements={"SpecificCharacterSet": charset, "PatientName": name}).images()
        ]
    )
    report = structured_report(findings, source)
    assert str(stored(report).PatientName) == name
    assert dciodvfy(report) == []


def test_a_source_with_nothing_but_uids_still_gets_a_report(findings: Findings, dciodvfy: Dciodvfy) -> None:
    bare = dict.fromkeys(
        (
            "SpecificCharacterSet",
            "PatientName",
            "PatientID",
            "PatientBirthDate",
            "PatientSex",
            "PatientAge",
            "StudyDate",
            "StudyTime",
            "StudyID",
            "StudyDescription",
            "AccessionNumber",
            "ReferringPhysicianName",
        )
    )
    source = SourceSeries.from_headers(CtSeries(slices=2, elements=dict(bare)).images())
    report = structured_report(findings, source)
    assert report.PatientID is None or report.PatientID == ""
    assert dciodvfy(report) == []


def test_odd_values_of_the_source_are_passed_on_as_they_are(findings: Findings) -> None:
    images = CtSeries(slices=2).images()
    odd = []
    for image in images:
        file = BytesIO()
        image.save_as(file, enforce_file_format=True)
        raw = file.getvalue().replace(b"PA\x04\x0020200229", b"").replace(b"19500102", b"1950.1.2")
        odd.append(dcmread(BytesIO(raw), stop_before_pixels=True))
    report = stored(structured_report(findings, SourceSeries.from_headers(odd)))
    assert report.get_item("PatientBirthDate").value.strip() == b"1950.1.2"


def test_a_refusal_says_why_and_no_finding(source: SourceSeries, dciodvfy: Dciodvfy) -> None:
    report = refusal_report(StudyRefused(Code.TOO_SHORT, "the scan covers 25 mm; 120 mm are needed"), source)
    assert dciodvfy(report) == []
    assert "TOO_SHORT: the scan covers 25 mm; 120 mm are needed" in texts(report)
    said = str(report.ContentSequence)
    assert COMPRESSION_FRACTURE.value not in said and ABSENT.value not in said and PRESENT.value not in said
    assert len(read_back(report).get_evidence()) == len(source.instances)
