# SPDX-License-Identifier: Apache-2.0
"""Findings as a Comprehensive 3D SR after template TID 1500 (DICOM PS3.16, *Measurement Report*).

One measurement group speaks of the whole study, present or absent; one more for each positive patch has its box. A
level or a grade is never said: the model knows neither.
"""

import numpy as np
from highdicom import sr
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import generate_uid

from vcf_client import flags
from vcf_client.dicom.privacy import quiet
from vcf_client.dicom.result import ALGORITHM, MANUFACTURER, WARNING, UidMaker, identify, random_uid, serial_number
from vcf_client.dicom.source import TYPE_2_KEYWORDS, SourceSeries
from vcf_client.findings import Findings, Patch, Point
from vcf_contract import __version__
from vcf_contract.errors import StudyRefused

COMPRESSION_FRACTURE = Code("42942008", "SCT", "Compression fracture of vertebral column")
"""A code in no context group of DICOM, and so in no dictionary."""
SPINE = Code("421060004", "SCT", "Spine")
FINDING_SITE = Code("363698007", "SCT", "Finding Site")
PRESENT = Code("52101004", "SCT", "Present")
ABSENT = Code("272519000", "SCT", "Absent")
PROBABILITY = Code("122157", "DCM", "Probability")
COMMENT = Code("121106", "DCM", "Comment")
DIAGNOSTIC_IMAGING_REPORT = Code("18748-4", "LN", "Diagnostic imaging study")

SERIES_NUMBER = 9801
SERIES_DESCRIPTION = "VCF findings, not for diagnosis"


def structured_report(findings: Findings, source: SourceSeries, new_uid: UidMaker = random_uid) -> Dataset:
    """The report of a study, positive or negative, in the study of its source.

    Parameters
    ----------
    new_uid
        Makes the UIDs for the roles ``report-series``, ``report``, ``study`` and ``finding-1``, ``finding-2``, …

    Returns
    -------
    Dataset
        With file meta information: ``save_as`` writes it as a file.
    """
    algorithm = _algorithm(findings)
    groups = [_study_group(findings, source, algorithm, new_uid)]
    for number, patch in enumerate((p for p in findings.patches if findings.is_positive(p)), 1):
        groups.append(_finding_group(number, patch, source, algorithm, new_uid))
    content = sr.MeasurementReport(
        observation_context=_observer(findings.model.hash),
        procedure_reported=codes.LN.CTUnspecifiedBodyRegion,
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
    )
    return _document(content[0], source, findings.model.hash, new_uid)


def refusal_report(refusal: StudyRefused, source: SourceSeries, new_uid: UidMaker = random_uid) -> Dataset:
    """A report that says why a study was not analysed; it has no finding, neither present nor absent.

    Parameters
    ----------
    source
        One series of the study.
    new_uid
        Makes the UIDs for the roles ``report-series`` and ``report``.
    """
    content = sr.ContainerContentItem(DIAGNOSTIC_IMAGING_REPORT)
    content.ContentSequence = sr.ContentSequence()
    content.ContentSequence.extend(_observer(""))
    contains = sr.RelationshipTypeValues.CONTAINS
    for remark in (f"Not analysed by {ALGORITHM}.", f"{refusal.code}: {refusal.sentence}", f"{WARNING}."):
        content.ContentSequence.append(sr.TextContentItem(COMMENT, remark, relationship_type=contains))
    return _document(content, source, "", new_uid)


def _document(content: Dataset, source: SourceSeries, model_hash: str, new_uid: UidMaker) -> Dataset:
    with quiet():
        report: Dataset = sr.Comprehensive3DSR(
            evidence=_evidence(source),
            content=content,
            series_instance_uid=new_uid("report-series"),
            series_number=SERIES_NUMBER,
            sop_instance_uid=new_uid("report"),
            instance_number=1,
            manufacturer=MANUFACTURER,
            series_description=SERIES_DESCRIPTION,
            is_complete=True,
            is_final=False,
        )
        identify(report, source, model_hash)
    return report


def _study_group(
    findings: Findings, source: SourceSeries, algorithm: sr.AlgorithmIdentification, new_uid: UidMaker
) -> sr.MeasurementsAndQualitativeEvaluations:
    group = sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid=new_uid("study"), identifier="Whole study"),
        algorithm_id=algorithm,
        finding_type=COMPRESSION_FRACTURE,
        finding_sites=[sr.FindingSite(SPINE)],
        measurements=[_probability(findings.study_score)],
        qualitative_evaluations=[_presence(findings.positive)],
    )
    remarks = [f"{WARNING}. {findings.notice}", *(f"{flag}: {flags.meaning(flag)}" for flag in findings.flags)]
    if not source.frame_of_reference_uid:
        remarks.append("The images name no frame of reference, so the findings carry no coordinates.")
    group[0].ContentSequence.extend(
        sr.TextContentItem(COMMENT, remark, relationship_type=sr.RelationshipTypeValues.CONTAINS) for remark in remarks
    )
    return group


def _finding_group(
    number: int, patch: Patch, source: SourceSeries, algorithm: sr.AlgorithmIdentification, new_uid: UidMaker
) -> sr.VolumetricROIMeasurementsAndQualitativeEvaluations | sr.MeasurementsAndQualitativeEvaluations:
    tracking = sr.TrackingIdentifier(uid=new_uid(f"finding-{number}"), identifier=f"Finding {number}")
    common = {
        "tracking_identifier": tracking,
        "algorithm_id": algorithm,
        "finding_type": COMPRESSION_FRACTURE,
        "finding_sites": [sr.FindingSite(SPINE)],
        "measurements": [_probability(patch.score)],
        "qualitative_evaluations": [_presence(True)],
    }
    if not source.frame_of_reference_uid:
        return sr.MeasurementsAndQualitativeEvaluations(**common)
    box = sr.VolumeSurface(
        graphic_type=sr.GraphicTypeValues3D.POLYGON,
        graphic_data=list(_caudal_and_cranial_face(patch.box_mm)),
        frame_of_reference_uid=source.frame_of_reference_uid,
        source_series=sr.SourceSeriesForSegmentation(source.series_uid),
    )
    return sr.VolumetricROIMeasurementsAndQualitativeEvaluations(referenced_volume_surface=box, **common)


def _caudal_and_cranial_face(box_mm: tuple[Point, Point]) -> NDArray[np.float64]:
    """Return two closed polygons (2, 5, 3): a box as the contours of the volume's two ends, as SCOORD3D has no box."""
    (x0, y0, z0), (x1, y1, z1) = box_mm
    corners = ((x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0))
    return np.array([[(x, y, z) for x, y in corners] for z in (z0, z1)])


def _probability(value: float) -> sr.Measurement:
    return sr.Measurement(PROBABILITY, value, codes.UCUM.NoUnits)


def _presence(present: bool) -> sr.QualitativeEvaluation:
    return sr.QualitativeEvaluation(COMPRESSION_FRACTURE, PRESENT if present else ABSENT)


def _algorithm(findings: Findings) -> sr.AlgorithmIdentification:
    return sr.AlgorithmIdentification(
        name=ALGORITHM,
        version=__version__,
        parameters=[f"operating point {findings.threshold:g}", f"SHA-256 of the weights {findings.model.hash}"],
    )


def _observer(model_hash: str) -> sr.ObservationContext:
    return sr.ObservationContext(
        observer_device_context=sr.ObserverContext(
            observer_type=codes.DCM.Device,
            observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
                uid=str(generate_uid(prefix=None, entropy_srcs=[MANUFACTURER, __version__, model_hash])),
                name=ALGORITHM,
                manufacturer_name=MANUFACTURER,
                model_name=ALGORITHM,
                serial_number=serial_number(model_hash),
            ),
        )
    )


def _evidence(source: SourceSeries) -> list[Dataset]:
    """References only: patient and study are copied apart, as the library refuses values that it finds odd."""
    evidence = []
    for sop_class, uid in source.instances:
        image = Dataset()
        for keyword in TYPE_2_KEYWORDS:
            setattr(image, keyword, None)
        image.StudyInstanceUID, image.SeriesInstanceUID = source.study_uid, source.series_uid
        image.SOPClassUID, image.SOPInstanceUID = sop_class, uid
        evidence.append(image)
    return evidence
