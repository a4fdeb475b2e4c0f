# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from vcf_preprocess.tiling import patch_count
from vcf_training.phantom import Phantom, nominal, render, sample
from vcf_training.phantom.fracture import Fracture
from vcf_training.studies import HEIGHT_UNIT_MM, Studies
from vcf_training.views import Crop, DetectorError, draw_crop, patch_anatomy, patch_truth, seen_line, view

EXACT = DetectorError(scatter_mm=0, drift_mm=0, missed=0)
WHOLE = Crop(whole_share=1.0)


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    spec = nominal(levels=("T9", "L4"), fractures={"L1": Fracture("crush", 0.45)})
    return render(spec, spacing_mm=(2.0, 1.2, 1.2), region="spine")


def test_the_fractured_vertebra_is_in_a_labelled_patch_with_its_grade(phantom: Phantom) -> None:
    study = view(
        phantom.volume.hu,
        phantom.volume.spacing_mm,
        phantom.centre_line_mm,
        phantom.vertebrae,
        "p",
        np.random.default_rng(0),
        crop=WHOLE,
        error=EXACT,
    )
    assert study is not None
    (l1,) = [v for v in phantom.vertebrae if v.level == "L1"]
    top = (len(phantom.volume.hu) - 1 + 0.5) * 2.0
    bottom = -0.5 * 2.0
    centre = (top - l1.centre_mm[2]) / (top - bottom)  # the vertebra's location in the paper's sense
    nearest = int(np.abs(study.location - centre).argmin())
    assert study.label[nearest] == 1
    assert study.grade[nearest] == l1.grade == 3
    assert study.label.sum() <= 2
    assert study.weight[study.label == 1].all()


def test_exact_detections_give_the_true_line(phantom: Phantom) -> None:
    line = seen_line(phantom.centre_line_mm, 2.0, np.random.default_rng(0), EXACT)
    error = np.linalg.norm(line.points_mm[:, :2] - phantom.centre_line_mm[line.first_slice :], axis=1)
    assert error.max() < 1.5  # a straight line between detections 30 mm apart
    assert len(line.points_mm) == len(phantom.volume.hu)


def test_detector_errors_move_the_line(phantom: Phantom) -> None:
    error = DetectorError(scatter_mm=2, drift_mm=2, missed=0)
    offsets = [
        (
            seen_line(phantom.centre_line_mm, 2.0, np.random.default_rng(s), error).points_mm[:, :2]
            - phantom.centre_line_mm
        )
        for s in range(30)
    ]
    spread = np.std([o.mean(0) for o in offsets], axis=0)
    assert (spread > 1).all()
    assert (spread < 3.5).all()


def test_patches_between_yes_and_no_are_left_out(phantom: Phantom) -> None:
    (l1,) = [v for v in phantom.vertebrae if v.level == "L1"]
    height = l1.z1_mm - l1.z0_mm
    below = [0, 0, l1.z0_mm - 48 + 0.3 * height, 1, 1, l1.z0_mm + 0.3 * height]
    far = [0, 0, l1.z0_mm - 60, 1, 1, l1.z0_mm - 12]
    around = [0, 0, l1.centre_mm[2] - 24, 1, 1, l1.centre_mm[2] + 24]
    label, weight, grade = patch_truth(phantom.vertebrae, np.array([below, far, around]))
    assert label.tolist() == [0, 0, 1]
    assert weight.tolist() == [0, 1, 1]
    assert grade.tolist() == [0, 0, 3]


def test_crops_are_contiguous_long_enough_and_varied() -> None:
    rng = np.random.default_rng(1)
    crops = [draw_crop(200, 2.0, rng, Crop(whole_share=0.25, least_share=0.3)) for _ in range(400)]
    lengths = np.array([c.stop - c.start for c in crops])
    assert lengths.min() * 2.0 >= 120
    assert 0.15 < (lengths == 200).mean() < 0.35
    assert len({c.start for c in crops}) > 50
    assert draw_crop(40, 2.0, rng, Crop(whole_share=0)) == slice(0, 40)


def test_no_study_from_a_spine_that_the_detector_never_finds(phantom: Phantom) -> None:
    blind = DetectorError(missed=1.0)
    arguments = (phantom.volume.hu, phantom.volume.spacing_mm, phantom.centre_line_mm, phantom.vertebrae, "p")
    assert view(*arguments, np.random.default_rng(0), error=blind) is None


def test_views_overlap_as_they_are_told(phantom: Phantom) -> None:
    """Half of them here: 0.5 lays more patches, of which each fractured one is labelled by the same rule."""

    def seen(overlaps: tuple[float, ...]) -> list[Studies]:
        rng = np.random.default_rng(3)
        crop = Crop(whole_share=1.0, overlaps=overlaps)
        arguments = (phantom.volume.hu, phantom.volume.spacing_mm, phantom.centre_line_mm, phantom.vertebrae, "p")
        drawn = [view(*arguments, rng, crop=crop, error=EXACT) for _ in range(12)]
        return [one for one in drawn if one is not None]

    counts = [{len(study.label) for study in seen(overlaps)} for overlaps in ((0.0,), (0.5,), (0.0, 0.5))]
    length_mm = len(phantom.volume.hu) * 2.0
    expected = [patch_count(length_mm, 48.0, overlap) for overlap in (0.0, 0.5)]
    assert counts == [{expected[0]}, {expected[1]}, set(expected)]
    for study in seen((0.5,)):
        assert study.label.sum() >= 1
        # The first and the last step are a quarter longer at most: the others lie at fixed heights in the patient.
        assert np.diff(study.location).max() * length_mm <= 30.01


def test_a_cut_fracture_makes_no_negative_study(phantom: Phantom) -> None:
    """Whatever the field of view, a study without a positive patch shows nothing of the fracture."""
    rng = np.random.default_rng(2)
    crop = Crop(whole_share=0, least_share=0.2)
    for _ in range(25):
        study = view(
            phantom.volume.hu, phantom.volume.spacing_mm, phantom.centre_line_mm, phantom.vertebrae, "p", rng, crop=crop
        )
        assert study is not None
        assert study.label.any() or study.weight.all()


def test_twins_differ_by_the_fracture_alone() -> None:
    healthy, ill = (sample(3, fracture_probability=p) for p in (0.0, 1.0))
    assert ill.without_fractures() == healthy
    assert any(v.fracture for v in ill.vertebrae)


def test_anatomy_of_rows_follows_the_vertebrae(phantom: Phantom) -> None:
    (l1,) = [v for v in phantom.vertebrae if v.level == "L1"]
    (l2,) = [v for v in phantom.vertebrae if v.level == "L2"]
    patch = np.array([[0, 0, l1.centre_mm[2] - 24, 1, 1, l1.centre_mm[2] + 24]])
    (rows,) = patch_anatomy(phantom.vertebrae, patch, 32).astype(float)
    at = int((24 - 0.01) / 48 * 32)
    np.testing.assert_allclose(rows[at], [1, *np.array(l1.heights_mm) / HEIGHT_UNIT_MM, 1], rtol=2e-3)
    assert rows[:, 4].sum() * 48 / 32 == pytest.approx(np.mean(l1.heights_mm), abs=1.6)
    disc = (l1.centre_mm[2] - np.mean(l1.heights_mm) / 2 + l2.centre_mm[2] + np.mean(l2.heights_mm) / 2) / 2
    in_disc = rows[int((l1.centre_mm[2] + 24 - disc) / 48 * 32)]
    assert in_disc[0] == in_disc[4] == 0
    assert np.isnan(in_disc[1:4]).all()


def test_anatomy_is_unknown_beyond_the_known_bodies(phantom: Phantom) -> None:
    top = max(v.z1_mm for v in phantom.vertebrae)
    patch = np.array([[0, 0, top + 1, 1, 1, top + 49]])
    assert np.isnan(patch_anatomy(phantom.vertebrae, patch, 32)).all()
    assert np.isnan(patch_anatomy([], patch, 32)).all()
