# SPDX-License-Identifier: Apache-2.0
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from tests.clients.damage import as_files
from tests.clients.dicom import factory
from tests.clients.dicom.test_stack import assert_is_body
from vcf_client.reader import read_files, read_study
from vcf_client.study import Study
from vcf_contract.errors import Code, StudyRefused


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
    assert caught.value.code == Code.TOO_LARGE and "3.1 GiB" in caught.value.sentence


def flags_of(folder: Path, *series: list[Dataset]) -> tuple[Code, ...]:
    return read_study(factory.write(folder, *series)).flags


@pytest.mark.parametrize("changed", ["all", "half", "one", "last", "every other missing"])
def test_frames_of_reference_that_differ(tmp_path: Path, changed: str) -> None:
    """Some anonymisers give each file one of its own; positions and orientations still make one scan."""
    series = factory.make_series()
    which = {"all": range(30), "half": range(15), "one": [7], "last": [29], "every other missing": []}[changed]
    for k in which:
        series[k].FrameOfReferenceUID = f"1.2.3.{k if changed == 'all' else 0}"
    if changed == "every other missing":
        for ds in series[::2]:
            del ds.FrameOfReferenceUID
        series[0].FrameOfReferenceUID = "1.2.9"
        with pytest.raises(StudyRefused):  # two scans within each other, as far as anybody can tell
            read_study(factory.write(tmp_path, series))
        return
    study = read_study(factory.write(tmp_path, series))
    assert study.flags == (Code.FRAMES_DIFFER, Code.THICK_SLICES)
    assert_is_body(study)


def test_frames_of_reference_that_differ_beside_pet(tmp_path: Path) -> None:
    series = factory.make_series()
    pet = factory.pet_of(series[3:])
    for k, ds in enumerate(series):
        ds.FrameOfReferenceUID = f"1.2.3.{k}"
    pet.FrameOfReferenceUID = "1.2.3.3"
    with pytest.raises(StudyRefused) as caught:
        read_study(factory.write(tmp_path, series, [pet]))
    assert caught.value.code == Code.PET_CT


@pytest.mark.parametrize("shift_mm", [0.0, 2.5, 1.0])
def test_two_scans_in_one_series_are_told_apart(tmp_path: Path, shift_mm: float) -> None:
    """Breathed in and breathed out: even where their slices interleave to a regular grid of 2.5 mm."""
    one = factory.make_series(slices=32)
    two = factory.make_series(slices=28, field=lambda x, y, z: factory.body(x + 20, y, z))
    for ds in two:
        ds.SeriesInstanceUID, ds.StudyInstanceUID = one[0].SeriesInstanceUID, one[0].StudyInstanceUID
        ds.ImagePositionPatient = [*ds.ImagePositionPatient[:2], float(ds.ImagePositionPatient[2]) + shift_mm]
    study = read_study(factory.write(tmp_path, [*one, *two]))
    assert study.volume.hu.shape[0] == 32 and study.volume.spacing_mm[0] == pytest.approx(5)
    assert_is_body(study)
    assert Code.FRAMES_DIFFER in study.flags
    assert len(study.selection) == 2


@pytest.mark.parametrize("same", ["all", "two", "two at the ends"])
def test_repeated_instance_uids(tmp_path: Path, same: str) -> None:
    series = factory.make_series()
    for k in {"all": range(30), "two": [9, 10], "two at the ends": [0, 29]}[same]:
        series[k].SOPInstanceUID = "1.2.3.4"
    study = read_study(factory.write(tmp_path, series))
    assert study.flags == (Code.REPEATED_UIDS, Code.THICK_SLICES)
    assert_is_body(study)


def test_repeated_instance_uids_and_copies(tmp_path: Path) -> None:
    series = factory.make_series(SOPInstanceUID="1.2.3.4")
    study = read_study(factory.write(tmp_path, series, series[3:6]))
    assert set(study.flags) == {Code.DUPLICATE_POSITION, Code.REPEATED_UIDS, Code.THICK_SLICES}
    assert_is_body(study)


def test_acquisitions_that_share_a_position_at_their_seam(tmp_path: Path) -> None:
    """A scan in three parts, two slices taken twice: all of it is read, not the longest part."""
    series = factory.make_series(slices=40)
    parts = [series[:15], factory.make_series(slices=40)[14:30], factory.make_series(slices=40)[29:]]
    for number, part in enumerate(parts, 1):
        for ds in part:
            ds.AcquisitionNumber = number
            ds.SeriesInstanceUID, ds.StudyInstanceUID = series[0].SeriesInstanceUID, series[0].StudyInstanceUID
            ds.FrameOfReferenceUID = series[0].FrameOfReferenceUID
    study = read_study(factory.write(tmp_path, list(chain.from_iterable(parts))))
    assert study.volume.hu.shape[0] == 40 and Code.DUPLICATE_POSITION in study.flags
    assert_is_body(study)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [("RescaleIntercept", -1000), ("RescaleSlope", 1.001), ("BitsStored", 11), ("PixelPaddingValue", 63536)],
)
def test_values_stored_in_different_ways_are_flagged(tmp_path: Path, keyword: str, value: Any) -> None:
    series = factory.make_series()
    setattr(series[11], keyword, value)
    if keyword == "BitsStored":
        series[11].HighBit = 10
    assert Code.RESCALE_DIFFERS in flags_of(tmp_path, series)


STRAYS: list[dict[str, Any]] = [
    {"SeriesInstanceUID": "1.2.3"},
    {"SeriesInstanceUID": "1.2.3", "StudyInstanceUID": "1.2.4", "PatientID": "x"},
    {"Modality": "CU"},
    {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.3"},
    {"SamplesPerPixel": 3},
    {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
    {"SeriesInstanceUID": "1.2.3", "ImagePositionPatient": None},
    {"SeriesInstanceUID": "1.2.3", "PixelSpacing": None, "PatientID": "x"},
    {"SeriesInstanceUID": "1.2.3", "ImageOrientationPatient": None, "Modality": "CV"},
    {"SeriesInstanceUID": "1.2.3", "ImageOrientationPatient": [1, 0, 0, 1, 0, 0]},
    {"SeriesInstanceUID": "1.2.3", "Columns": 57},
]


@pytest.mark.parametrize("end", [0, 29])
@pytest.mark.parametrize("elements", STRAYS, ids=str)
def test_slice_at_an_end_whose_header_leads_elsewhere(tmp_path: Path, end: int, elements: dict[str, Any]) -> None:
    """One wrong bit makes it another series or kind; without it the scan would end earlier and nobody would know."""
    series = factory.make_series()
    factory.set_elements(series[end], elements)
    study = read_study(factory.write(tmp_path, series))
    assert study.volume.hu.shape[0] == 29 and Code.TRUNCATED in study.flags


def test_dose_page_and_localizer_are_no_strays(tmp_path: Path) -> None:
    """They have no place in the scan, and often none at all."""
    page = factory.make_series(slices=1, SOPClassUID="1.2.840.10008.5.1.4.1.1.7", ImagePositionPatient=None)
    localizer = factory.make_series(
        slices=1, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], ImagePositionPatient=None, PixelData=None
    )
    other = factory.make_series(slices=2, SeriesDescription="test scan")
    assert flags_of(tmp_path, *of_one_study(factory.make_series(), page, localizer, other)) == (Code.THICK_SLICES,)


def test_damaged_file_beside_the_series(tmp_path: Path) -> None:
    folder = factory.write(tmp_path, factory.make_series())
    (folder / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 500)
    assert Code.TRUNCATED in read_study(folder).flags


@pytest.mark.parametrize("keep", [200, 400, 700, 1000])
def test_files_cut_within_their_headers(tmp_path: Path, keep: int) -> None:
    folder = factory.write(tmp_path, factory.make_series())
    for path in folder.rglob("*.dcm"):
        path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(StudyRefused) as caught:
        read_study(folder)
    assert caught.value.code == Code.TRUNCATED
    assert "damaged" in caught.value.sentence or "end before their pixels do" in caught.value.sentence


@pytest.mark.parametrize("left", [0, 1, 128, 129, 131, 132])
def test_file_in_memory_of_which_little_is_left(left: int) -> None:
    """Nothing has a name there: what is given as a file of the study was one."""
    files = as_files(factory.make_series())
    study, _ = read_files([*files[:-1], files[-1][:left]])
    assert study.volume.hu.shape[0] == 29 and Code.TRUNCATED in study.flags


def test_other_files_in_memory_are_passed_over() -> None:
    study, _ = read_files([*as_files(factory.make_series()), b"a note", b"\x89PNG" + bytes(500)])
    assert study.flags == (Code.THICK_SLICES,)
