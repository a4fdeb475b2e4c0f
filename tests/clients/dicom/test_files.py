# SPDX-License-Identifier: Apache-2.0
import io
import os
import zipfile
from pathlib import Path

import pytest
from pydicom import dcmread

from tests.clients.dicom import factory
from vcf_client.dicom import files
from vcf_client.dicom.files import (
    Source,
    archive_sources,
    file_set_sources,
    folder_sources,
    looks_like_dicom,
    read_all,
    read_start,
)
from vcf_client.reader import read_study
from vcf_contract.errors import Code, StudyRefused

DICM = b"\0" * 128 + b"DICM"


def refusal(path: Path) -> StudyRefused:
    with pytest.raises(StudyRefused) as caught:
        read_study(path)
    return caught.value


def test_what_looks_like_dicom() -> None:
    assert looks_like_dicom(DICM)
    assert looks_like_dicom(b"\x08\x00\x05\x00\x0a\x00\x00\x00")
    for start in (b"", b"DICM", b"PK\x03\x04", b"\x89PNG", b"\x08\x00\xff\x00", b"\0" * 200):
        assert not looks_like_dicom(start)


def test_folder_in_order_and_to_any_depth(tmp_path: Path) -> None:
    for name in ("b/2", "b/1", "a/x/y/z/0", "c", "text"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"no" if name == "text" else DICM)
    found = [str(s.path.relative_to(tmp_path)) for s in folder_sources(tmp_path) if s.path]
    assert found == ["c", "a/x/y/z/0", "b/1", "b/2"]


def test_loops_of_links_end(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "one").write_bytes(DICM)
    (tmp_path / "in" / "up").symlink_to(tmp_path)
    (tmp_path / "in" / "self").symlink_to(tmp_path / "in" / "self")
    (tmp_path / "in" / "gone").symlink_to(tmp_path / "nowhere")
    assert len(list(folder_sources(tmp_path))) == 1


def test_linked_series_is_read(tmp_path: Path) -> None:
    factory.write(tmp_path / "elsewhere", factory.make_series(slices=26))
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "link").symlink_to(tmp_path / "elsewhere")
    assert read_study(tmp_path / "study").volume.hu.shape[0] == 26


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file(tmp_path: Path) -> None:
    path = tmp_path / "secret.dcm"
    path.write_bytes(DICM)
    path.chmod(0)
    assert refusal(path).code == Code.NO_IMAGES


def test_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_FILES", 5)
    for i in range(6):
        (tmp_path / f"{i}").write_bytes(b"")
    assert refusal(tmp_path).code == Code.TOO_LARGE
    with zipfile.ZipFile(tmp_path / "study.zip", "w") as archive:
        for i in range(6):
            archive.writestr(f"{i}", b"")
    assert refusal(tmp_path / "study.zip").code == Code.TOO_LARGE


def test_bomb_is_not_unpacked(tmp_path: Path) -> None:
    """The archive's directory declares 5 GiB; that is believed before anything is unpacked."""
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0.dcm", DICM + bytes(1 << 20))
        archive.infolist()[0].file_size = 5 << 30
    found = refusal(path)
    assert found.code == Code.TOO_LARGE and "5120 MiB" in found.sentence


def test_members_that_lie_over_one_another_are_counted_each(tmp_path: Path) -> None:
    """A megabyte of zeros in one member, which the directory lists a thousand times."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0.dcm", DICM + bytes(1 << 20))
    packed = buffer.getvalue()
    start, end = packed.index(b"PK\x01\x02"), packed.index(b"PK\x05\x06")
    directory = packed[start:end] * 1000
    sizes = (1000).to_bytes(2, "little") * 2 + len(directory).to_bytes(4, "little") + start.to_bytes(4, "little")
    (tmp_path / "bomb.zip").write_bytes(packed[:start] + directory + b"PK\x05\x06" + bytes(4) + sizes + bytes(2))
    found = refusal(tmp_path / "bomb.zip")
    assert found.code == Code.TOO_LARGE and "unpack to 1000 MiB" in found.sentence


@pytest.mark.parametrize("honest", [True, False])
def test_long_directory_is_not_made_objects_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, honest: bool) -> None:
    """Whether the end of the archive says how many entries there are, or lies."""
    with zipfile.ZipFile(tmp_path / "study.zip", "w") as archive:
        for i in range(20):
            archive.writestr(f"{i}", b"")
    if not honest:
        data = bytearray((tmp_path / "study.zip").read_bytes())
        at = data.index(b"PK\x05\x06")
        data[at + 8 : at + 12] = b"\1\0\1\0"
        (tmp_path / "study.zip").write_bytes(data)
    monkeypatch.setattr(files, "MAX_FILES", 19)
    monkeypatch.setattr(zipfile, "ZipFile", lambda path: pytest.fail("opened"))
    found = refusal(tmp_path / "study.zip")
    assert found.code == Code.TOO_LARGE and "20 files or more" in found.sentence


def test_member_that_unpacks_to_more_than_it_declares(tmp_path: Path) -> None:
    path = tmp_path / "liar.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0.dcm", DICM + bytes(1 << 24))
        archive.infolist()[0].file_size = 1000
    assert refusal(path).code == Code.DAMAGED


def test_member_names_are_no_paths(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "slip.zip", "w") as archive:
        for name in ("../../etc/passwd", "/etc/passwd", "C:\\x", "a/../../b"):
            archive.writestr(name, DICM + name.encode())
    sources = list(archive_sources(tmp_path / "slip.zip"))
    assert len(sources) == 4 and all(s.path is None for s in sources)


def test_encrypted_archive(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("0.dcm", DICM)
    data = bytearray(buffer.getvalue())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "locked.zip").write_bytes(data)
    found = refusal(tmp_path / "locked.zip")
    assert found.code == Code.BAD_INPUT and "encrypted" in found.sentence


@pytest.mark.parametrize("data", [b"PK\x03\x04", b"PK\x03\x04" + b"x" * 500, b"PK\x05\x06" + bytes(18)])
def test_archive_that_is_none(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "broken.zip").write_bytes(data)
    assert refusal(tmp_path / "broken.zip").code == Code.NOT_DICOM


@pytest.mark.parametrize("kind", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("where", [0.002, 0.3, 0.5, 0.9])
def test_one_damaged_member(tmp_path: Path, kind: int, where: float) -> None:
    """Its checksum is wrong, and what it held nobody knows: the archive is refused, not read without it."""
    folder = factory.write(tmp_path / "in", factory.make_series())
    path = tmp_path / "study.zip"
    with zipfile.ZipFile(path, "w", kind) as archive:
        for file in sorted(folder.rglob("*.dcm")):
            archive.write(file, file.name)
    data = bytearray(path.read_bytes())
    data[int(len(data) * where)] ^= 0x08
    path.write_bytes(data)
    assert refusal(path).code == Code.DAMAGED
    with pytest.raises(StudyRefused, match="DAMAGED"):
        read_all(path)


def test_damaged_member_that_is_no_image(tmp_path: Path) -> None:
    """Damage can make an image look like anything else, so every member has to be whole."""
    path = tmp_path / "study.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("viewer.exe", b"MZ" + bytes(100_000))
    data = bytearray(path.read_bytes())
    data[50_000] ^= 1
    path.write_bytes(data)
    assert refusal(path).code == Code.DAMAGED


def test_directory_that_lists_fewer_members_than_it_says(tmp_path: Path) -> None:
    """One bit less in the size of the directory, and its first entries are gone without an error from anybody."""
    path = tmp_path / "study.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(4):
            archive.writestr(f"image-{number:012d}", DICM)  # entries of 46 + 18 = 64 bytes
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x05\x06") + 12
    assert data[at] == 0 and data[at + 1] == 1, "the directory has 256 bytes"
    data[at : at + 2] = (192).to_bytes(2, "little")
    path.write_bytes(data)
    with zipfile.ZipFile(path) as archive:
        assert len(archive.infolist()) == 3
    assert refusal(path).code == Code.DAMAGED


def test_member_whose_damaged_name_is_that_of_a_folder(tmp_path: Path) -> None:
    path = tmp_path / "study.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("series/imago", DICM)
    path.write_bytes(path.read_bytes().replace(b"series/imago", b"series/imag/"))
    assert list(archive_sources(path)), "it has content, so it is no folder"


def test_prefix_with_a_damaged_bit_is_still_dicom(tmp_path: Path) -> None:
    folder = factory.write(tmp_path, factory.make_series())
    last = max(folder.rglob("*.dcm"), key=lambda p: float(dcmread(p).ImagePositionPatient[2]))
    data = bytearray(last.read_bytes())
    data[128] ^= 1
    last.write_bytes(data)
    study = read_study(folder)
    assert study.volume.hu.shape[0] == 30 or Code.TRUNCATED in study.flags


@pytest.mark.parametrize(("name", "flagged"), [("007.dcm", True), ("._007.dcm", False), ("notes.txt", False)])
def test_file_named_as_dicom_that_is_none(tmp_path: Path, name: str, flagged: bool) -> None:
    folder = factory.write(tmp_path, factory.make_series())
    (folder / "s0" / name).write_bytes(b"\0\5\x16\7" + bytes(100) + b"Mac OS X")
    assert (Code.TRUNCATED in read_study(folder).flags) == flagged


def test_folder_of_nifti(tmp_path: Path) -> None:
    (tmp_path / "ct.nii.gz").write_bytes(b"anything")
    found = refusal(tmp_path)
    assert found.code == Code.NOT_DICOM and "no DICOM file but 1 NIfTI file; give the path" in found.sentence
    (tmp_path / "mask.nii").write_bytes(b"anything")
    assert "but 2 NIfTI files" in refusal(tmp_path).sentence


def test_file_set_stays_below_its_folder(tmp_path: Path) -> None:
    (tmp_path / "disc" / "IMAGES").mkdir(parents=True)
    (tmp_path / "outside").write_bytes(DICM)
    (tmp_path / "disc" / "IMAGES" / "one").write_bytes(DICM)
    (tmp_path / "disc" / "IMAGES" / "link").symlink_to(tmp_path / "outside")
    ids = [("..", "outside"), ("IMAGES", "..", "..", "outside"), ("/", "etc"), ("IMAGES", "link"), (), ("",)]
    ids += [(str(tmp_path / "outside"),), ("IMAGES", "ONE"), ("IMAGES", "one"), ("IMAGES", "absent"), ("a\0b",)]
    found = [s.path for s in file_set_sources(tmp_path / "disc" / "DICOMDIR", ids)]
    assert found == [tmp_path / "disc" / "IMAGES" / "one"]


def test_lower_case_copies_of_a_disc(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "im1").write_bytes(DICM)
    assert len(list(file_set_sources(tmp_path / "DICOMDIR", [("IMAGES", "IM1")]))) == 1


def test_start_of_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyRefused):
        read_start(tmp_path)


def test_repr_holds_no_path(tmp_path: Path) -> None:
    assert str(tmp_path) not in repr(Source(tmp_path / "x")) and "DICM" not in repr(Source(data=DICM))
