# SPDX-License-Identifier: Apache-2.0
"""Slices without a body at the ends: whatever they are filled with, in each form a study can have."""

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from tests.clients.damage import as_files
from tests.clients.dicom import factory
from vcf_client.blank import without_blank_ends
from vcf_client.reader import read_files, read_study
from vcf_client.study import Study
from vcf_contract.errors import Code, StudyRefused
from vcf_preprocess.geometry import Volume

PIXEL_MM = (5.0, 5.5)
Field = Any


def air(x: Any, y: Any, z: Any) -> Any:
    return np.full_like(x, -1000.0)


def noisy_air(x: Any, y: Any, z: Any) -> Any:
    return -990 + 60 * np.sin(1e4 * x + 31 * y)


def table(x: Any, y: Any, z: Any) -> Any:
    """Two shells of a couch top, foam between them; the pixels of these tests are wider than a shell is."""
    return np.where((np.abs(x) < 150) & (np.abs(y - 120) < 3), 50.0, -1000.0)


def water(x: Any, y: Any, z: Any) -> Any:
    return np.zeros_like(x)


def disc_of_zeros(x: Any, y: Any, z: Any) -> Any:
    return np.where(x**2 + y**2 < 140**2, 0.0, -1000.0)


BLANKS: dict[str, Field] = {f.__name__: f for f in (air, noisy_air, table, water, disc_of_zeros)}


def with_ends(field: Field, below: int, above: int, slices: int = 40) -> Field:
    """The body, but for so many slices of 5 mm at the ends of a scan about z = 25 mm."""
    bottom = 25 - (slices - 1) / 2 * 5 + (below - 0.5) * 5
    top = 25 + (slices - 1) / 2 * 5 - (above - 0.5) * 5

    def found(x: Any, y: Any, z: Any) -> Any:
        return np.where((z > bottom) & (z < top), factory.body(x, y, z), field(x, y, z))

    return found


def without_blanks(study: Study, kept: int) -> None:
    assert study.volume.hu.shape[0] == kept
    assert Code.BLANK_SLICES in study.flags
    expected = factory.at_voxels(study.volume.affine, study.volume.hu.shape)
    assert np.abs(study.volume.hu - expected).max() <= 1, "what is left lies where it lay"


@pytest.mark.parametrize("blank", BLANKS)
@pytest.mark.parametrize(("below", "above"), [(1, 1), (0, 3), (7, 2)])
def test_dicom(tmp_path: Path, blank: str, below: int, above: int) -> None:
    series = factory.make_series(slices=40, field=with_ends(BLANKS[blank], below, above))
    without_blanks(read_study(factory.write(tmp_path, series)), 40 - below - above)


def test_files_in_memory() -> None:
    """As the server reads them."""
    series = factory.make_series(slices=40, field=with_ends(air, 2, 3))
    without_blanks(read_files(as_files(series))[0], 35)


@pytest.mark.parametrize("padding", [-2000, -3024])
def test_slices_of_padding(tmp_path: Path, padding: int) -> None:
    series = factory.make_series(slices=40, signed=True, bits_stored=16, PixelPaddingValue=padding)
    for ds in (series[0], series[1], series[39]):
        ds.PixelData = np.full((ds.Rows, ds.Columns), padding, "<i2").tobytes()
    without_blanks(read_study(factory.write(tmp_path, series)), 37)


def test_missing_slice_beside_the_blank_ones(tmp_path: Path) -> None:
    series = factory.make_series(slices=40, field=with_ends(air, 3, 0))
    del series[3]
    study = read_study(factory.write(tmp_path, series))
    assert study.volume.hu.shape[0] == 36 and Code.SLICES_FILLED not in study.flags


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1)])
def test_nifti(tmp_path: Path, axes: tuple[int, ...]) -> None:
    volume = read_study(factory.write(tmp_path / "in", factory.make_series(slices=40))).volume
    hu = volume.hu.copy()
    hu[:2], hu[-3:] = -1000, -1024
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ volume.affine
    affine[:, :3] = affine[:, list(axes)]
    nibabel.save(nibabel.Nifti1Image(hu.transpose(2, 1, 0).transpose(axes), affine), tmp_path / "ct.nii.gz")
    without_blanks(read_study(tmp_path / "ct.nii.gz"), 35)


@pytest.mark.parametrize("value", [-1000, 0, 40])
@pytest.mark.parametrize("where", [[12], [12, 13], [7, 30]])
@pytest.mark.parametrize("form", ["dicom", "nifti"])
def test_single_value_inside_the_scan_is_a_gap(tmp_path: Path, value: int, where: list[int], form: str) -> None:
    """Filled like a slice that is missing: the body of these tests is linear from slice to slice."""
    series = factory.make_series(slices=40)
    volume = read_study(factory.write(tmp_path / "whole", series)).volume
    if form == "dicom":
        for k in where:
            series[k].PixelData = np.full((series[k].Rows, series[k].Columns), value + 1024, "<u2").tobytes()
        study = read_study(factory.write(tmp_path / "in", series))
    else:
        hu = volume.hu.copy()
        hu[where] = value
        image = nibabel.Nifti1Image(hu.transpose(2, 1, 0), np.diag([-1.0, -1.0, 1.0, 1.0]) @ volume.affine)
        nibabel.save(image, tmp_path / "ct.nii.gz")
        study = read_study(tmp_path / "ct.nii.gz")
    assert Code.SLICES_FILLED in study.flags
    assert np.abs(study.volume.hu - volume.hu.astype(int)).max() <= 1


def test_more_gaps_than_may_be_filled(tmp_path: Path) -> None:
    series = factory.make_series(slices=40)
    for k in (11, 15, 20):
        series[k].PixelData = bytes(len(series[k].PixelData))
    with pytest.raises(StudyRefused) as caught:
        read_study(factory.write(tmp_path, series))
    assert caught.value.code == Code.MISSING_SLICES and "3 slices inside the scan" in caught.value.sentence


def test_scan_without_blank_slices_is_left_alone(tmp_path: Path) -> None:
    study = read_study(factory.write(tmp_path, factory.make_series()))
    assert Code.BLANK_SLICES not in study.flags and study.volume.hu.shape[0] == 30


def test_too_little_is_left(tmp_path: Path) -> None:
    folder = factory.write(tmp_path, factory.make_series(slices=40, field=with_ends(air, 10, 8)))
    with pytest.raises(StudyRefused) as caught:
        read_study(folder)
    assert caught.value.code == Code.TOO_SHORT and "covers 110 mm where it shows a body" in caught.value.sentence


def test_nothing_but_a_table() -> None:
    hu = np.full((30, 100, 100), -1000, np.int16)
    hu[:, 60:62] = 100
    with pytest.raises(StudyRefused) as caught:
        without_blank_ends(Volume(hu, (5.0, 4.0, 4.0), np.eye(4)))
    assert caught.value.code == Code.BAD_HU and "no slice shows a body" in caught.value.sentence


def test_real_series_have_no_blank_slices(shared_data: Path) -> None:
    for name in ("crlm-ct-1006", "hcc013", "lung-pet-ct-dx-a0001-kernel-b"):
        assert Code.BLANK_SLICES not in read_study(shared_data / "ct" / name).flags
