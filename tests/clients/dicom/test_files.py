# SPDX-License-Identifier: Apache-2.0
import io
import os
import zipfile
import zlib
from pathlib import Path

import pytest

from clients.dicom import files
from clients.dicom.deflated import Inflater
from clients.dicom.files import Source, archive_sources, file_set_sources, folder_sources, looks_like_dicom, read_start
from clients.reader import read_study
from tests.clients.dicom import factory
from vcf.errors import Code, StudyRefused

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
    assert refusal(tmp_path).code == Code.BAD_INPUT
    with zipfile.ZipFile(tmp_path / "study.zip", "w") as archive:
        for i in range(6):
            archive.writestr(f"{i}", b"")
    assert refusal(tmp_path / "study.zip").code == Code.BAD_INPUT


def test_bomb_is_not_unpacked(tmp_path: Path) -> None:
    """The archive's directory declares 5 GiB; that is believed before anything is unpacked."""
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0.dcm", DICM + bytes(1 << 20))
        archive.infolist()[0].file_size = 5 << 30
    found = refusal(path)
    assert found.code == Code.BAD_INPUT and "5120 MiB" in found.sentence


def test_member_that_unpacks_to_more_than_it_declares(tmp_path: Path) -> None:
    path = tmp_path / "liar.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0.dcm", DICM + bytes(1 << 24))
        archive.infolist()[0].file_size = 1000
    assert sum(len(s.data) for s in archive_sources(path)) <= 1000
    assert refusal(path).code in (Code.NOT_DICOM, Code.TRUNCATED)


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


def test_one_damaged_member(tmp_path: Path) -> None:
    folder = factory.write(tmp_path / "in", factory.make_series())
    path = tmp_path / "study.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*.dcm")):
            archive.write(file, file.name)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    study = read_study(path)
    assert study.volume.hu.shape[0] in (29, 30), "its checksum is wrong, so it is not used"
    assert study.volume.hu.shape[0] == 29 or Code.SLICES_FILLED in study.flags


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


def deflated(body: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    uid = b"1.2.840.10008.1.2.1.99"
    meta = b"\x02\x00\x10\x00UI" + len(uid).to_bytes(2, "little") + uid
    length = b"\x02\x00\x00\x00UL\x04\x00" + len(meta).to_bytes(4, "little")
    return DICM + length + meta + packer.compress(body) + packer.flush()


def test_deflated_file_is_unpacked_within_the_limit() -> None:
    source = Source(data=deflated(b"body" * 1000))
    with source.open() as file:
        plain = Inflater().plain(file)
    assert plain and plain.data.endswith(b"body" * 1000) and b"1.2.840.10008.1.2.1\0\0\0" in plain.data
    with source.open() as file, pytest.raises(ValueError, match="limit"):
        Inflater(3999).plain(file)


def test_limit_counts_all_deflated_files() -> None:
    inflater = Inflater(10_000)
    source = Source(data=deflated(bytes(4000)))
    for _ in range(2):
        with source.open() as file:
            assert inflater.plain(file)
    with source.open() as file, pytest.raises(ValueError, match="limit"):
        inflater.plain(file)


def test_other_files_are_left_alone() -> None:
    with io.BytesIO(DICM + b"rest") as file:
        assert Inflater().plain(file) is None
        assert file.tell() == 0


def test_repr_holds_no_path(tmp_path: Path) -> None:
    assert str(tmp_path) not in repr(Source(tmp_path / "x")) and "DICM" not in repr(Source(data=DICM))
