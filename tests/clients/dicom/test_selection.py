# SPDX-License-Identifier: Apache-2.0
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from clients.reader import read_study
from clients.study import Study
from tests.clients.dicom import factory
from vcf.errors import Code, StudyRefused


def of_one_study(*series: list[Dataset]) -> list[list[Dataset]]:
    for slices in series:
        for ds in slices:
            ds.StudyInstanceUID = series[0][0].StudyInstanceUID
    return list(series)


def taken(folder: Path, *series: list[Dataset]) -> tuple[int, Study]:
    """Which of the series was taken, counted from 0, and the study."""
    study = read_study(factory.write(folder, *of_one_study(*series)))
    (index,) = [i for i, sentence in enumerate(study.selection) if " taken:" in sentence]
    return index, study


def thin(**elements: Any) -> list[Dataset]:
    return factory.make_series(slices=70, step_mm=2.5, **elements)


def test_thin_slices_are_preferred(tmp_path: Path) -> None:
    index, study = taken(tmp_path, factory.make_series(slices=35), thin())
    assert index == 1 and study.volume.spacing_mm[0] == pytest.approx(2.5)
    assert "not taken, usable" in study.selection[0]


def test_longer_coverage_beats_thin_slices(tmp_path: Path) -> None:
    assert taken(tmp_path, thin(), factory.make_series(slices=60))[0] == 1


def test_soft_kernel_beats_thin_slices(tmp_path: Path) -> None:
    assert taken(tmp_path, thin(ConvolutionKernel="BONE"), factory.make_series(slices=35))[0] == 1


def test_bone_kernel_alone_is_taken(tmp_path: Path) -> None:
    assert taken(tmp_path, thin(ConvolutionKernel="BONE"))[0] == 0


def test_lung_kernel_is_left_for_the_soft_one(tmp_path: Path) -> None:
    index, study = taken(tmp_path, thin(ConvolutionKernel="LUNG"), factory.make_series(slices=35))
    assert index == 1 and "LUNG_KERNEL" in study.selection[0]


def test_below_a_millimetre_thinner_is_no_better(tmp_path: Path) -> None:
    small = {"rows": 52, "columns": 52, "spacing_mm": (5.0, 5.0)}
    index, _ = taken(
        tmp_path,
        factory.make_series(slices=250, step_mm=0.5, **small),
        factory.make_series(slices=125, step_mm=1.0, **small),
    )
    assert index == 1


def test_bad_pixels_make_way_for_the_next_series(tmp_path: Path) -> None:
    """Only decoding shows that the better series by its headers has no HU."""
    wrong = thin(field=lambda x, y, z: factory.body(x, y, z) + 1024)
    index, study = taken(tmp_path, wrong, factory.make_series(slices=35))
    assert index == 1 and "BAD_HU" in study.selection[0]


def test_refusal_of_the_largest_ct_series(tmp_path: Path) -> None:
    short = factory.make_series(slices=10)
    lung = factory.make_series(slices=26, ConvolutionKernel="LUNG")
    localizer = factory.make_series(slices=40, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    with pytest.raises(StudyRefused) as caught:
        read_study(factory.write(tmp_path, *of_one_study(short, lung, localizer)))
    assert caught.value.code == Code.LUNG_KERNEL
    assert "none of 3 series is usable; this is series 2" in caught.value.sentence


def test_localizer_in_the_same_series_is_dropped(tmp_path: Path) -> None:
    series = factory.make_series(slices=30)
    localizer = factory.make_series(slices=1, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], rows=99, columns=40)
    for ds in localizer:
        ds.SeriesInstanceUID = series[0].SeriesInstanceUID
    _, study = taken(tmp_path, [*series, *localizer])
    assert study.volume.hu.shape == (30, 60, 56)
    assert study.flags == (Code.THICK_SLICES,)


MIXTURES: dict[str, dict[str, Any]] = {
    "patients": {"PatientID": "another"},
    "studies": {"StudyInstanceUID": "1.2.3"},
    "frames of reference": {"FrameOfReferenceUID": "1.2.3"},
    "kernels": {"ConvolutionKernel": "SOFT"},
    "pixel spacings": {"PixelSpacing": [5.2, 5.5]},
    "orientations": {"ImageOrientationPatient": [1, 0, 0, 0, 0, -1]},
}


@pytest.mark.parametrize("what", MIXTURES)
def test_mixed_series(tmp_path: Path, what: str) -> None:
    series = factory.make_series()
    for ds in series[15:]:
        factory.set_elements(ds, MIXTURES[what])
    with pytest.raises(StudyRefused) as caught:
        read_study(factory.write(tmp_path, series))
    assert caught.value.code == Code.MIXED_SERIES and what in caught.value.sentence


def test_mixed_matrix_sizes(tmp_path: Path) -> None:
    series, other = factory.make_series(), factory.make_series(rows=64)
    for ds in other:
        ds.SeriesInstanceUID, ds.StudyInstanceUID = series[0].SeriesInstanceUID, series[0].StudyInstanceUID
        ds.FrameOfReferenceUID = series[0].FrameOfReferenceUID
    with pytest.raises(StudyRefused) as caught:
        read_study(factory.write(tmp_path, series[:15] + other[15:]))
    assert caught.value.code == Code.MIXED_SERIES


@pytest.mark.parametrize("element", ["PatientID", "StudyInstanceUID"])
def test_usable_series_of_two_studies(tmp_path: Path, element: str) -> None:
    """The better one of two patients would be given as the answer for both."""
    one, two = of_one_study(factory.make_series(), factory.make_series())
    for ds in two:
        setattr(ds, element, "1.2.3.4")
    with pytest.raises(StudyRefused) as caught:
        read_study(factory.write(tmp_path, one, two))
    assert caught.value.code == Code.MIXED_SERIES


def test_another_study_that_is_not_usable_does_not_matter(tmp_path: Path) -> None:
    study = read_study(factory.write(tmp_path, factory.make_series(), factory.make_series(slices=3, PatientID="x")))
    assert study.volume.hu.shape[0] == 30


def test_series_without_uid(tmp_path: Path) -> None:
    study = read_study(factory.write(tmp_path, factory.make_series(SeriesInstanceUID=None, PatientID=None)))
    assert study.volume.hu.shape[0] == 30


def test_volume_too_big_for_a_request(tmp_path: Path) -> None:
    """Nothing is allocated for 3 GiB: the files are sparse."""
    series = factory.make_series(slices=40)
    for ds in series:
        ds.Rows = ds.Columns = 6400
        ds.PixelSpacing = [0.06, 0.06]
    folder = factory.write(tmp_path, series)
    for path in folder.rglob("*.dcm"):
        data = path.read_bytes()
        at = data.index(b"\xe0\x7f\x10\x00OW")
        with path.open("r+b") as file:
            file.seek(at + 8)
            file.write((2 * 6400 * 6400).to_bytes(4, "little"))
            file.truncate(at + 12 + 2 * 6400 * 6400)
    with pytest.raises(StudyRefused) as caught:
        read_study(folder)
    assert caught.value.code == Code.TOO_LONG and "3.1 GiB" in caught.value.sentence
