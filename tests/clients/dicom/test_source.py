# SPDX-License-Identifier: Apache-2.0
import zipfile
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from tests.clients.ct_series import CtSeries
from vcf_client.dicom.privacy import keyed_hash
from vcf_client.dicom.source import SourceSeries, read_source
from vcf_contract.errors import Code, StudyRefused


@pytest.fixture
def two_series(tmp_path: Path) -> tuple[Path, CtSeries, CtSeries]:
    first = CtSeries(slices=3)
    second = CtSeries(slices=5, study_uid=first.study_uid)
    first.write(tmp_path / "in" / "a")
    second.write(tmp_path / "in" / "b")
    (tmp_path / "in" / "notes.txt").write_text("no DICOM")
    (tmp_path / "in" / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 40)
    return tmp_path / "in", first, second


def test_the_series_that_was_taken_is_found_again(two_series: tuple[Path, CtSeries, CtSeries]) -> None:
    folder, _, second = two_series
    source = read_source(folder, keyed_hash(second.series_uid))
    assert source.series_uid == second.series_uid
    assert [uid for _, uid in source.instances] == [image.SOPInstanceUID for image in second.images()]
    assert source.frame_of_reference_uid == second.frame_of_reference_uid
    assert source.study_uid == second.study_uid


def test_in_an_archive_too(two_series: tuple[Path, CtSeries, CtSeries], tmp_path: Path) -> None:
    folder, first, _ = two_series
    archive = tmp_path / "study.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in folder.rglob("*.dcm"):
            file.write(path, path.relative_to(folder))
    assert len(read_source(archive, keyed_hash(first.series_uid)).instances) == 3


def test_the_largest_where_none_is_asked_for(two_series: tuple[Path, CtSeries, CtSeries]) -> None:
    folder, _, second = two_series
    assert read_source(folder).series_uid == second.series_uid


def test_refused_where_there_is_no_such_series(two_series: tuple[Path, CtSeries, CtSeries]) -> None:
    folder, *_ = two_series
    with pytest.raises(StudyRefused) as refused:
        read_source(folder, keyed_hash("1.2.3"))
    assert refused.value.code is Code.NOT_DICOM
    with pytest.raises(StudyRefused):
        read_source(folder / "notes.txt", keyed_hash("1.2.3"))


def test_duplicate_images_are_referenced_once() -> None:
    images = CtSeries(slices=2).images()
    assert len(SourceSeries.from_headers([*images, images[0]]).instances) == 2


def test_images_of_several_frames_of_reference_have_none_in_common() -> None:
    images = CtSeries(slices=2).images()
    images[1].FrameOfReferenceUID = "1.2.3"
    assert SourceSeries.from_headers(images).frame_of_reference_uid == ""


def without(keyword: str) -> list[Dataset]:
    images = CtSeries(slices=2).images()
    del images[1][keyword]
    return images


@pytest.mark.parametrize(
    ("headers", "sentence"),
    [
        ([], "no header"),
        (without("SOPInstanceUID"), "SOPInstanceUID is missing or no UID in 1 of 2"),
        (CtSeries(slices=1).images() + CtSeries(slices=1).images(), "of one series, they are of 2"),
    ],
)
def test_headers_that_make_no_series(headers: list[Dataset], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        SourceSeries.from_headers(headers)


def test_nothing_of_the_patient_is_printed() -> None:
    assert repr(SourceSeries.from_headers(CtSeries(slices=1).images())) == "SourceSeries()"
