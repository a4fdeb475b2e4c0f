# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from vcf_contract.spec import DETECTOR
from vcf_preprocess import slices
from vcf_preprocess.slices import detector_images, image_to_volume_mm, pick, pick_body, volume_to_image_px


@pytest.mark.parametrize(
    ("n", "dz"), [(2, 5.0), (51, 5.0), (133, 2.5), (300, 1.0), (700, 1.0), (311, 0.7), (40, 30.0), (9, 45.0)]
)
def test_every_30_mm_with_first_and_last(n, dz):
    picked = pick(n, dz)
    assert picked[0] == 0
    assert picked[-1] == n - 1
    steps_mm = np.diff(picked) * dz
    assert (steps_mm > 0).all()
    ends = np.isin(np.arange(len(steps_mm)), [0, len(steps_mm) - 1])
    assert steps_mm[~ends].max(initial=0) <= 30 + dz + 1e-9
    # Nothing is examined nearer to an end than half of 30 mm, to within the rounding to a slice.
    assert steps_mm.max() <= 45 + dz + 1e-9
    assert len(picked) < 4 or steps_mm.min() >= 15 - dz
    assert picked.dtype == np.int32


def test_positions_do_not_drift_when_30_mm_is_no_multiple_of_the_spacing():
    picked = pick(1000, 0.7)
    np.testing.assert_allclose(picked[:-1] * 0.7, np.arange(len(picked) - 1) * 30, atol=0.36)
    assert picked[-1] == 999


@pytest.mark.parametrize(("n", "dz"), [(1, 1.0), (0, 1.0), (10, 0.0), (10, float("nan"))])
def test_impossible_stacks_are_refused(n, dz):
    with pytest.raises(ValueError, match="at least 2 slices"):
        pick(n, dz)


@pytest.mark.parametrize("spacing", [(5.0, 0.7, 0.7), (1.0, 0.9, 0.6), (1.0, 2.4, 2.4)])
def test_a_disc_keeps_its_place_and_its_area(spacing):
    """Mass and centroid of a disc of 500 HU, by formula, whatever the pixel size."""
    shape = (2, round(360 / spacing[1]), round(340 / spacing[2]))
    at_mm, radius_mm = np.array([120.0, 250.0]), 25.0
    y, x = np.meshgrid(np.arange(shape[1]) * spacing[1], np.arange(shape[2]) * spacing[2], indexing="ij")
    hu = np.full(shape, -200, np.int16)
    hu[0][np.hypot(x - at_mm[0], y - at_mm[1]) < radius_mm] = 500
    image = detector_images(hu, spacing, np.array([0, 1]))
    assert image.shape == (2, DETECTOR.image_px, DETECTOR.image_px, 1)
    mass = image[0, ..., 0] / 0.7
    area_mm2 = mass.sum() * DETECTOR.pixel_mm**2
    assert area_mm2 == pytest.approx(np.pi * radius_mm**2, rel=0.03)
    rows, columns = np.indices(mass.shape) + 0.5
    centre_px = np.array([(mass * columns).sum(), (mass * rows).sum()]) / mass.sum()
    np.testing.assert_allclose(image_to_volume_mm(centre_px, shape, spacing), at_mm, atol=0.5)
    assert not image[1].any()


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_images_by_the_definition_whatever_the_threads(threads):
    """Window in double precision, then the weights of both axes as a plain matrix product."""
    hu = np.random.default_rng(1).integers(-1024, 3000, (5, 200, 180)).astype(np.int16)
    spacing, indices = (1.0, 0.9, 1.1), np.array([0, 3, 4])
    images = detector_images(hu, spacing, indices, threads=threads)
    low, high = DETECTOR.window_hu
    windowed = (np.clip(hu[indices].astype(float), low, high) - low) / (high - low)
    (y, rows), (x, columns) = (slices._axis(hu.shape[axis], spacing[axis], DETECTOR) for axis in (1, 2))
    expected = rows.toarray() @ windowed[:, y, x] @ columns.toarray().T
    np.testing.assert_allclose(images[..., 0], expected, atol=2e-6)


def test_windowing_comes_first_so_metal_does_not_bleed():
    hu = np.full((2, 200, 200), 0, np.int16)
    hu[0, 100, 100] = 30000
    image = detector_images(hu, (1.0, 0.8, 0.8), np.array([0]))[0, ..., 0]
    assert image.max() <= 1
    assert (image > 0.21).sum() <= 9


def test_pixels_and_millimetres_are_inverse():
    places = np.random.default_rng(0).uniform(0, 256, (5, 2))
    there = image_to_volume_mm(places, (10, 512, 400), (1, 0.7, 0.9))
    np.testing.assert_allclose(volume_to_image_px(there, (10, 512, 400), (1, 0.7, 0.9)), places)


@pytest.mark.parametrize("spacing_mm", [2.4, 0.8, 4.0, 1.2, 30 / 7.5])
def test_ties_are_broken_alike_in_either_precision(spacing_mm: float) -> None:
    in_double = pick(300, spacing_mm)
    assert in_double.tolist() == pick(300, float(np.float32(spacing_mm))).tolist()


def test_blank_slices_shift_no_examined_slice() -> None:
    """Whatever is added at the ends, the same slices of the body are examined."""
    rng = np.random.default_rng(0)
    hu = rng.normal(40, 20, (60, 64, 64)).astype(np.int16)
    spacing = (4.0, 5.0, 5.0)
    plain = pick_body(hu, spacing)
    assert plain.tolist() == pick(60, 4.0).tolist()
    padded = np.pad(hu, ((3, 5), (0, 0), (0, 0)), constant_values=-1024)
    assert (pick_body(padded, spacing) - 3).tolist() == plain.tolist()


def test_where_there_is_no_body_all_slices_count() -> None:
    air = np.full((60, 64, 64), -1000, np.int16)
    assert pick_body(air, (4.0, 5.0, 5.0)).tolist() == pick(60, 4.0).tolist()


@pytest.mark.parametrize("dz", [1.0, 2.5, 3.0])
def test_the_same_slices_of_a_patient_are_examined_in_any_part_of_a_scan(dz: float) -> None:
    """Places in the patient: but for the first and the last slice, those of a part are among those of the whole."""
    location = -417.0
    whole = location + pick(200, dz, location_mm=location) * dz
    for first, stop in ((0, 150), (7, 200), (31, 181)):
        part = location + (first + pick(stop - first, dz, location_mm=location + first * dz)) * dz
        assert np.isin(part[1:-1], whole).all()
        assert np.abs(part[1:-1] / 30 - np.round(part[1:-1] / 30)).max() * 30 <= dz / 2 + 1e-6


def test_blank_slices_shift_none_where_the_patient_is_known_either() -> None:
    hu = np.random.default_rng(0).normal(40, 20, (60, 64, 64)).astype(np.int16)
    spacing = (4.0, 5.0, 5.0)
    padded = np.pad(hu, ((3, 5), (0, 0), (0, 0)), constant_values=-1024)
    assert (pick_body(padded, spacing, 100.0 - 12.0) - 3).tolist() == pick_body(hu, spacing, 100.0).tolist()
