# SPDX-License-Identifier: Apache-2.0
"""What is found below a path or in memory, and the sentence where nothing of it can be analysed."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.clients.dicom import factory
from vcf_client.dicom import read
from vcf_client.dicom.read import read_dicom, read_dicom_files
from vcf_contract.errors import Code, StudyRefused


def refusal(ask: Callable[[], object]) -> StudyRefused:
    with pytest.raises(StudyRefused) as refused:
        ask()
    return refused.value


def contents(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.rglob("*.dcm"))]


def test_files_in_memory_are_read_as_a_folder_is(tmp_path: Path) -> None:
    series = factory.make_series()
    folder = factory.write(tmp_path, series)
    from_folder = read_dicom(folder, "warn")
    from_memory, uid = read_dicom_files(contents(folder), "warn")
    np.testing.assert_array_equal(from_memory.volume.hu, from_folder.volume.hu)
    assert uid == series[0].SeriesInstanceUID and uid not in from_memory.series_id
    assert (from_memory.series_id, from_memory.flags) == (from_folder.series_id, from_folder.flags)


def test_what_is_no_dicom_is_left_out_in_memory(tmp_path: Path) -> None:
    files = contents(factory.write(tmp_path, factory.make_series()))
    found, _ = read_dicom_files([b"%PDF-1.7 report", *files, b"<xml/>"], "warn")
    assert found.volume.hu.shape[0] == 30 and found.flags == (Code.THICK_SLICES,)


@pytest.mark.parametrize(
    ("files", "code", "words"),
    [
        ([], Code.NO_IMAGES, "the request holds no file"),
        ([b"text", b"more"], Code.NOT_DICOM, "none of 2 files is a DICOM image"),
        ([bytes(128) + b"DICM" + b"\xff" * 90], Code.TRUNCATED, "1 of 1 files are damaged"),
        ([b""], Code.NOT_DICOM, "none of 1 files is a DICOM image"),
    ],
)
def test_files_without_an_image(files: list[bytes], code: Code, words: str) -> None:
    found = refusal(lambda: read_dicom_files(files, "warn"))
    assert found.code == code and words in found.sentence


def test_a_request_of_too_many_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "MAX_FILES", 3)
    assert "holds 4 files, at most 3" in refusal(lambda: read_dicom_files([b""] * 4, "warn")).sentence


def test_each_series_gets_a_sentence_and_one_is_taken(tmp_path: Path) -> None:
    thick = factory.make_series(slices=20, step_mm=8.0)
    usable = factory.make_series(ConvolutionKernel="STANDARD")
    for ds in thick:
        ds.StudyInstanceUID = usable[0].StudyInstanceUID
    found = read_dicom(factory.write(tmp_path, usable, thick), "warn")
    taken = [sentence for sentence in found.selection if " taken: 150 mm in steps of 5.00 mm" in sentence]
    refused = [sentence for sentence in found.selection if "refused, SLICE_TOO_THICK" in sentence]
    assert len(found.selection) == 2 and len(taken) == len(refused) == 1


def test_with_no_usable_series_the_most_telling_refusal_is_given(tmp_path: Path) -> None:
    one, other = (factory.make_series(slices=20, step_mm=8.0) for _ in range(2))
    for ds in other:
        ds.StudyInstanceUID, ds.Modality = one[0].StudyInstanceUID, "MR"
    found = refusal(lambda: read_dicom(factory.write(tmp_path, one, other), "warn"))
    assert found.code == Code.SLICE_TOO_THICK and "none of 2 series is usable" in found.sentence


@pytest.mark.parametrize("kind", ["empty", "text", "nifti", "damaged"])
def test_a_folder_without_an_image(tmp_path: Path, kind: str) -> None:
    name, content = {
        "empty": ("", b""),
        "text": ("notes.txt", b"nothing"),
        "nifti": ("v.nii", b"\x5c\x01\0\0" + bytes(340) + b"n+1\0"),
        "damaged": ("a.dcm", bytes(128) + b"DICM" + b"\xff" * 90),
    }[kind]
    if name:
        (tmp_path / name).write_bytes(content)
    found = refusal(lambda: read_dicom(tmp_path, "warn"))
    code, words = {
        "empty": (Code.NO_IMAGES, "empty or may not be read"),
        "text": (Code.NOT_DICOM, "the folder holds no DICOM file; a DICOM series"),
        "nifti": (Code.NOT_DICOM, "1 NIfTI file; give the path of a NIfTI file"),
        "damaged": (Code.TRUNCATED, "the only DICOM file in the folder is damaged"),
    }[kind]
    assert found.code == code and words in found.sentence
    assert str(tmp_path) not in str(found)


def test_a_damaged_file_beside_a_whole_series_is_said(tmp_path: Path) -> None:
    factory.write(tmp_path, factory.make_series())
    (tmp_path / "s0" / "zz.dcm").write_bytes(bytes(128) + b"DICM" + b"\xff" * 90)
    assert read_dicom(tmp_path, "warn").flags == (Code.THICK_SLICES, Code.TRUNCATED)
