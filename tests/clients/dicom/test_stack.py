# SPDX-License-Identifier: Apache-2.0
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from tests.clients.dicom import factory
from vcf_client.reader import read_study
from vcf_client.study import Study
from vcf_contract.errors import Code, StudyRefused


def read(folder: Path, series: Sequence[Dataset]) -> Study:
    return read_study(factory.write(folder, series))


def refused(folder: Path, series: Sequence[Dataset]) -> StudyRefused:
    with pytest.raises(StudyRefused) as caught:
        read(folder, series)
    return caught.value


def assert_is_body(study: Study, covered: bool = True) -> None:
    """Every voxel holds what the body has at its place; rounding may cost half a unit, filling another half."""
    volume = study.volume
    expected = factory.at_voxels(volume.affine, volume.hu.shape)
    difference = np.abs(volume.hu - expected)
    known = np.ones(volume.hu.shape, bool) if covered else volume.hu != -1024
    assert difference[known].max() <= 1.01
    direction = volume.affine[:3, :3] / np.linalg.norm(volume.affine[:3, :3], axis=0)
    assert np.diag(direction).min() > 0.98, "axes run to the left, the back and the head"
    np.testing.assert_allclose(np.linalg.norm(volume.affine[:3, :3], axis=0), volume.spacing_mm[::-1])


def turned(degrees: float, about: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Row and column of an axial slice turned about a patient axis."""
    a = np.radians(degrees)
    cos, sin = float(np.cos(a)), float(np.sin(a))
    if about == "x":
        return (1, 0, 0), (0, cos, -sin)
    if about == "y":
        return (cos, 0, -sin), (0, 1, 0)
    return (cos, sin, 0), (-sin, cos, 0)


ORIENTATIONS: dict[str, dict[str, Any]] = {
    "supine": {},
    "prone": {"row": (-1, 0, 0), "column": (0, -1, 0)},
    "feet first, numbered from the head": {"way": (0, 0, -1)},
    "mirrored": {"row": (-1, 0, 0)},
    "left side down": {"row": (0, -1, 0), "column": (1, 0, 0)},
    "right side down, mirrored": {"row": (0, -1, 0), "column": (-1, 0, 0)},
    "5 degrees oblique": {"row": turned(5, "x")[0], "column": turned(5, "x")[1]},
    "5 degrees in the plane": {"row": turned(5, "z")[0], "column": turned(5, "z")[1]},
}


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_orientation(tmp_path: Path, name: str) -> None:
    study = read(tmp_path, factory.make_series(**ORIENTATIONS[name]))
    assert_is_body(study)
    assert study.flags == (Code.THICK_SLICES,)


def test_position_decides_not_number(tmp_path: Path) -> None:
    series = factory.make_series()
    for k, ds in enumerate(series):
        ds.InstanceNumber = (k * 7) % 30
    assert_is_body(read(tmp_path, series))


def test_pixels_that_are_not_square(tmp_path: Path) -> None:
    study = read(tmp_path, factory.make_series(rows=101, columns=47, spacing_mm=(2.75, 6.25)))
    assert study.volume.hu.shape == (30, 101, 47)
    assert study.volume.spacing_mm == pytest.approx((5.0, 2.75, 6.25))
    assert_is_body(study)


@pytest.mark.parametrize("degrees", [-25, -14, 3, 14, 29.5])
def test_tilt_is_corrected(tmp_path: Path, degrees: float) -> None:
    row, column = turned(degrees, "x")
    study = read(tmp_path, factory.make_series(row=row, column=column, way=(0, 0, 1)))
    assert Code.TILT_CORRECTED in study.flags
    assert_is_body(study, covered=False)
    axes = study.volume.affine[:3, :3]
    np.testing.assert_allclose(axes / np.linalg.norm(axes, axis=0), np.eye(3), atol=1e-6)
    volume = study.volume
    y = volume.affine[1, 3] + np.arange(volume.hu.shape[1]) * volume.spacing_mm[1]
    bodies = volume.hu[:, np.abs(y - 55) < 18]
    assert np.all(bodies[:, :, 20:36] != -1024), "wherever the spine may be, there is no void"
    lost_mm = 150 - volume.hu.shape[0] * volume.spacing_mm[0]
    assert -5 < lost_mm < 2 * 20 * abs(np.tan(np.radians(degrees))) + 3 * 5, "and no more is left out for it"


def test_tilt_of_mirrored_prone_slices(tmp_path: Path) -> None:
    row, column = turned(12, "x")
    series = factory.make_series(row=[-v for v in row], column=[-v for v in column], way=(0, 0, -1))
    assert_is_body(read(tmp_path, series), covered=False)


def test_tilt_about_the_other_axis(tmp_path: Path) -> None:
    row, column = turned(10, "y")
    assert_is_body(read(tmp_path, factory.make_series(row=row, column=column, way=(0, 0, 1))), covered=False)


def test_small_tilt_is_left_alone(tmp_path: Path) -> None:
    row, column = turned(0.8, "x")
    study = read(tmp_path, factory.make_series(row=row, column=column, way=(0, 0, 1)))
    assert Code.TILT_CORRECTED not in study.flags
    assert_is_body(study)


def test_tilt_too_steep(tmp_path: Path) -> None:
    row, column = turned(31, "x")
    found = refused(tmp_path, factory.make_series(row=row, column=column, way=(0, 0, 1)))
    assert found.code == Code.TILT and "31 degrees" in found.sentence


def test_shift_along_both_axes(tmp_path: Path) -> None:
    way = np.array([0.1, 0.1, 1]) / np.linalg.norm([0.1, 0.1, 1])
    assert refused(tmp_path, factory.make_series(way=way)).code == Code.TILT


@pytest.mark.parametrize(
    ("row", "column"),
    [turned(9, "x"), turned(9, "y"), turned(20, "z"), ((1, 0, 0), (0, 0, -1)), ((0, 1, 0), (0, 0, -1))],
)
def test_oblique_sagittal_coronal(tmp_path: Path, row: tuple[float, ...], column: tuple[float, ...]) -> None:
    found = refused(tmp_path, factory.make_series(row=row, column=column))
    assert found.code == Code.OBLIQUE
    name = {(1, 0, 0): "coronal", (0, 1, 0): "sagittal"}.get(row if column == (0, 0, -1) else (), "degrees off")  # type: ignore[call-overload]
    assert name in found.sentence


@pytest.mark.parametrize("lost", [[7], [7, 8], [4, 20]])
def test_few_missing_slices_are_filled(tmp_path: Path, lost: list[int]) -> None:
    series = [ds for k, ds in enumerate(factory.make_series(slices=32)) if k not in lost]
    study = read(tmp_path, series)
    assert study.volume.hu.shape[0] == 32
    assert Code.SLICES_FILLED in study.flags
    assert_is_body(study)


@pytest.mark.parametrize("lost", [[7, 8, 9], [3, 12, 20]])
def test_many_missing_slices(tmp_path: Path, lost: list[int]) -> None:
    series = [ds for k, ds in enumerate(factory.make_series(slices=32)) if k not in lost]
    found = refused(tmp_path, series)
    assert found.code == Code.MISSING_SLICES and found.sentence.startswith("3 slices")


def test_slices_lost_at_the_end_are_just_not_there(tmp_path: Path) -> None:
    study = read(tmp_path, factory.make_series(slices=32)[2:-1])
    assert study.volume.hu.shape[0] == 29
    assert study.flags == (Code.THICK_SLICES,)


def move(ds: Dataset, by_mm: Sequence[float]) -> None:
    ds.ImagePositionPatient = [float(p) + d for p, d in zip(ds.ImagePositionPatient, by_mm, strict=True)]


def test_irregular_spacing(tmp_path: Path) -> None:
    series = factory.make_series()
    move(series[10], (0, 0, 1.5))
    assert refused(tmp_path, series).code == Code.IRREGULAR_SPACING


def test_spacing_that_drifts(tmp_path: Path) -> None:
    series = factory.make_series(step_mm=4.0, slices=60)
    for k, ds in enumerate(series):
        move(ds, (0, 0, 0.002 * k * k))
    assert refused(tmp_path, series).code == Code.IRREGULAR_SPACING


def test_slice_beside_the_others(tmp_path: Path) -> None:
    series = factory.make_series()
    move(series[10], (4, 0, 0))
    found = refused(tmp_path, series)
    assert found.code == Code.IRREGULAR_SPACING and "beside" in found.sentence


def test_rounded_positions_are_regular(tmp_path: Path) -> None:
    series = factory.make_series(step_mm=0.75, slices=170, rows=52, columns=52, spacing_mm=(6, 6))
    for ds in series:
        ds.ImagePositionPatient = [round(float(p), 1) for p in ds.ImagePositionPatient]
    study = read(tmp_path, series)
    assert study.volume.spacing_mm[0] == pytest.approx(0.75, abs=0.001)
    assert study.flags == ()


def test_two_acquisitions_are_told_apart(tmp_path: Path) -> None:
    """Two phases at the same positions; each alone is a whole scan."""
    early, late = (
        factory.make_series(slices=30),
        factory.make_series(slices=28, field=lambda x, y, z: factory.body(x, y, z) + 9),
    )
    for ds in late:
        ds.SeriesInstanceUID, ds.AcquisitionNumber = early[0].SeriesInstanceUID, 2
        ds.StudyInstanceUID, ds.FrameOfReferenceUID = early[0].StudyInstanceUID, early[0].FrameOfReferenceUID
        move(ds, (0, 0, 5))
    for a, b in zip(early, late, strict=False):
        b.ImagePositionPatient = a.ImagePositionPatient
    study = read(tmp_path, [*early, *late])
    assert study.volume.hu.shape[0] == 30
    assert_is_body(study)
    assert Code.DUPLICATE_POSITION in study.flags
    assert "acquisition 1" in study.selection[0] and "acquisition 2" in study.selection[1]


def test_temporal_positions_are_told_apart(tmp_path: Path) -> None:
    series = factory.make_series()
    again = factory.make_series()
    for phase, slices in enumerate((series, again), 1):
        for k, ds in enumerate(slices):
            ds.TemporalPositionIdentifier = phase
            ds.AcquisitionNumber = None
            ds.SeriesInstanceUID, ds.StudyInstanceUID = series[0].SeriesInstanceUID, series[0].StudyInstanceUID
            ds.FrameOfReferenceUID = series[0].FrameOfReferenceUID
            ds.ImagePositionPatient = series[k].ImagePositionPatient
    study = read(tmp_path, [*series, *again])
    assert study.volume.hu.shape[0] == 30 and Code.DUPLICATE_POSITION in study.flags


def test_interleaved_acquisitions(tmp_path: Path) -> None:
    """The second acquisition lies 2 mm above the first: spacing is irregular until they are taken apart."""
    series = factory.make_series()
    again = factory.make_series(AcquisitionNumber=2)
    for ds in again:
        ds.SeriesInstanceUID, ds.StudyInstanceUID = series[0].SeriesInstanceUID, series[0].StudyInstanceUID
        ds.FrameOfReferenceUID = series[0].FrameOfReferenceUID
        move(ds, (0, 0, 2))
    assert read(tmp_path, [*series, *again]).volume.hu.shape[0] == 30


def test_step_and_shoot_with_a_repeated_slice(tmp_path: Path) -> None:
    """Every slice has an acquisition number of its own, so it tells nothing about the slice that was repeated."""
    series = factory.make_series()
    for k, ds in enumerate(series):
        ds.AcquisitionNumber = k
    again = factory.make_series()[0]
    again.SeriesInstanceUID, again.StudyInstanceUID = series[0].SeriesInstanceUID, series[0].StudyInstanceUID
    again.FrameOfReferenceUID = series[0].FrameOfReferenceUID
    again.AcquisitionNumber, again.ImagePositionPatient = 99, series[9].ImagePositionPatient
    assert refused(tmp_path, [*series, again]).code == Code.AMBIGUOUS_SERIES


def test_same_position_without_any_number(tmp_path: Path) -> None:
    series = factory.make_series()
    series[9].ImagePositionPatient = series[8].ImagePositionPatient
    assert refused(tmp_path, series).code == Code.AMBIGUOUS_SERIES


def test_copies_of_an_instance_are_dropped(tmp_path: Path) -> None:
    series = factory.make_series()
    study = read(tmp_path, [*series, *series[3:9]])
    assert study.volume.hu.shape[0] == 30
    assert_is_body(study)
    assert Code.DUPLICATE_POSITION in study.flags


@pytest.mark.parametrize(
    "elements",
    [
        {"ImagePositionPatient": None},
        {"ImageOrientationPatient": None},
        {"PixelSpacing": None},
        {"PixelSpacing": [0, 0]},
        {"PixelSpacing": [-1, 1]},
        {"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]},
        {"ImageOrientationPatient": [2, 0, 0, 0, 2, 0]},
        {"ImageOrientationPatient": [0, 0, 0, 0, 0, 0]},
        {"ImagePositionPatient": [1e30, 0, 0]},
    ],
)
def test_no_geometry(tmp_path: Path, elements: dict[str, Any]) -> None:
    assert refused(tmp_path, factory.make_series(slices=26, **elements)).code == Code.NO_GEOMETRY


@pytest.mark.parametrize("value", [b"nan\\0\\0 ", b"1\\2\\inf ", b"1,5\\2\\3 ", b"\xff\xfe\\x\\y "])
def test_positions_that_are_no_numbers(tmp_path: Path, value: bytes) -> None:
    folder = factory.write(tmp_path, factory.make_series(slices=26, ImagePositionPatient=[1.125, 2.0, 3.0]))
    for path in folder.rglob("*.dcm"):
        data = path.read_bytes()
        assert b"1.125\\2.0\\3.0 " in data
        path.write_bytes(data.replace(b"1.125\\2.0\\3.0 ", value.ljust(14)))
    with pytest.raises(StudyRefused) as caught:
        read_study(folder)
    assert caught.value.code == Code.NO_GEOMETRY


def test_one_slice_without_position(tmp_path: Path) -> None:
    """It cannot be placed, so it is a missing slice."""
    series = factory.make_series()
    del series[12].ImagePositionPatient
    study = read(tmp_path, series)
    assert {Code.TRUNCATED, Code.SLICES_FILLED} <= set(study.flags)
    assert_is_body(study)
