# SPDX-License-Identifier: Apache-2.0
"""What a study teaches: labels where they are known, weights of 0 where they are not."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from tests.training.data import layouts
from vcf_contract.spec import DETECTOR
from vcf_preprocess.slices import volume_to_image_px
from vcf_training.data.annotated import AnnotatedStudy, AnnotatedVertebra, Grade, Scan
from vcf_training.data.examples import detector_images, member_studies
from vcf_training.data.places import canal_of_labels
from vcf_training.phantom import Phantom
from vcf_training.studies import Studies
from vcf_training.views import Crop

WHOLE = Crop(whole_share=1.0)
Learn = Callable[..., list[Studies]]


def scan_of(phantom: Phantom, grades: dict[str, Grade], *, heights: bool = True) -> Scan:
    vertebrae = tuple(
        AnnotatedVertebra(v.level, grades[v.level], v.centre_mm, (v.z0_mm, v.z1_mm), v.heights_mm if heights else None)
        for v in phantom.vertebrae
        if v.level in grades
    )
    return Scan(phantom.volume, vertebrae, phantom.centre_line_mm, phantom.canal_boxes_mm)


def study_of(grades: dict[str, Grade], **known: object) -> AnnotatedStudy:
    def unread() -> Scan:
        raise AssertionError("the scan is given")

    return replace(AnnotatedStudy("0" * 16, "1" * 16, "csv", grades, unread), **known)  # type: ignore[arg-type]


@pytest.fixture
def learn(phantom: Phantom) -> Learn:
    """Views of the whole scan."""

    def members(grades: dict[str, Grade], *, scan: Scan | None = None, **known: object) -> list[Studies]:
        rng = np.random.default_rng(0)
        return member_studies(study_of(grades, **known), scan or scan_of(phantom, grades), rng, crop=WHOLE)

    return members


def true_grades(phantom: Phantom) -> dict[str, Grade]:
    return {v.level: Grade(v.grade, v.shape) for v in phantom.vertebrae}


def shows(phantom: Phantom, drawn: Studies, level: str) -> np.ndarray:
    """Which patches have the body's centre, from the locations of their own centres."""
    v = layouts.by_level(phantom.vertebrae)[level]
    span = (len(phantom.volume.hu) - 1) * phantom.volume.spacing_mm[0]
    centre = (1 - drawn.location) * span
    return np.abs(centre - v.centre_mm[2]) < 24


def test_known_grades_become_labels(phantom: Phantom, learn: Learn) -> None:
    (drawn,) = learn(true_grades(phantom))
    for level, grade in (("T12", 2), ("L2", 3)):
        here = shows(phantom, drawn, level)
        assert here.any() and (drawn.label[here] == 1).all() and (drawn.grade[here] >= grade).all()
    away = ~(shows(phantom, drawn, "T12") | shows(phantom, drawn, "L2"))
    assert (drawn.label[away & (drawn.weight == 1)] == 0).sum() == (
        away & (drawn.weight == 1) & (drawn.grade == 0)
    ).sum()
    assert set(drawn.grade.tolist()) <= {0, 2, 3}
    assert np.isfinite(drawn.anatomy).any()


def test_a_sound_study_is_negative_everywhere(phantom: Phantom, learn: Learn) -> None:
    (drawn,) = learn({v.level: Grade(0) for v in phantom.vertebrae})
    assert not drawn.label.any() and drawn.weight.all() and not drawn.grade.any()


def test_an_ungraded_vertebra_is_masked(phantom: Phantom, learn: Learn) -> None:
    grades = true_grades(phantom) | {"T12": Grade(None)}
    (drawn,) = learn(grades)
    here = shows(phantom, drawn, "T12") & ~shows(phantom, drawn, "L2")
    assert here.any() and not drawn.weight[here].any() and not drawn.label[here].any()
    assert drawn.label[shows(phantom, drawn, "L2")].all()
    assert set(drawn.grade.tolist()) <= {0, 3}
    assert not np.isfinite(drawn.anatomy[..., 4]).any(), "where a fracture is unknown it is not taught"


def test_a_view_that_may_be_positive_is_left_out(phantom: Phantom, learn: Learn) -> None:
    grades = {v.level: Grade(0) for v in phantom.vertebrae} | {"L1": Grade(None)}
    assert learn(grades) == []
    assert learn(grades, study_grade=0, complete=True) == []


def test_vertebrae_that_are_not_listed_are_masked(phantom: Phantom, learn: Learn) -> None:
    (drawn,) = learn({"L2": Grade(3, "crush")}, complete=False)
    here = shows(phantom, drawn, "L2")
    assert drawn.label[here].all()
    assert not drawn.label[~here].any() and not drawn.weight[~here].any()
    assert not np.isfinite(drawn.anatomy).any()


def test_a_fracture_nobody_placed_teaches_by_the_study_alone(phantom: Phantom, learn: Learn) -> None:
    scan = scan_of(phantom, {})
    (drawn,) = learn({}, scan=scan, study_grade=2)
    assert drawn.label.all() and not drawn.weight.any()
    assert drawn.study_label.tolist() == [1] and drawn.study_grade.tolist() == [2]


def test_a_study_of_unknown_outcome_or_without_canal_teaches_nothing(phantom: Phantom, learn: Learn) -> None:
    assert learn({"L2": Grade(0)}, complete=False) == []
    scan = replace(scan_of(phantom, true_grades(phantom)), canal_mm=None)
    assert learn(true_grades(phantom), scan=scan) == []


def test_without_heights_no_anatomy_is_claimed(phantom: Phantom, learn: Learn) -> None:
    grades = true_grades(phantom)
    (drawn,) = learn(grades, scan=scan_of(phantom, grades, heights=False))
    assert not np.isfinite(drawn.anatomy).any()


def test_boxes_of_the_canal_label(phantom: Phantom) -> None:
    grades = true_grades(phantom)
    scan = scan_of(phantom, grades)
    images = detector_images(study_of(grades), scan, every_mm=20.0)
    assert images is not None
    assert len(images) == len(range(0, len(phantom.volume.hu), 10))
    for row, box in zip(range(0, len(phantom.volume.hu), 10), images.boxes_mm, strict=True):
        centre = phantom.centre_line_mm[row]
        at = volume_to_image_px(centre, phantom.volume.hu.shape, phantom.volume.spacing_mm) * DETECTOR.pixel_mm
        np.testing.assert_allclose(box[:2], at)
        np.testing.assert_allclose(box[2:], phantom.canal_boxes_mm[row])


def test_boxes_from_vertebra_labels_alone(phantom: Phantom) -> None:
    """The gap between body and arch and the bone about it: the phantom's own canal, to a voxel or two."""
    grades, spacing = true_grades(phantom), phantom.volume.spacing_mm
    labels = layouts.labels_of(phantom)
    scan = replace(
        scan_of(phantom, grades), canal_mm=canal_of_labels(labels, spacing), canal_size_mm=None, labels=labels
    )
    images = detector_images(study_of(grades), scan, every_mm=10.0)
    assert images is not None and scan.canal_mm is not None
    seen = np.flatnonzero(np.isfinite(scan.canal_mm[:, 0]))
    rows = seen[0] + np.round(np.arange(0, np.ptp(seen) + 1, 5)).astype(int)
    truth = volume_to_image_px(phantom.centre_line_mm[rows], phantom.volume.hu.shape, spacing) * DETECTOR.pixel_mm
    assert np.median(np.linalg.norm(images.boxes_mm[:, :2] - truth, axis=1)) < 3
    assert (images.boxes_mm[:, 2:] > 8).all() and (images.boxes_mm[:, 2:] < 36).all()


def test_no_canal_no_boxes(phantom: Phantom) -> None:
    grades = true_grades(phantom)
    assert detector_images(study_of(grades), replace(scan_of(phantom, grades), canal_mm=None)) is None
