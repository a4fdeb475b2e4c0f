# SPDX-License-Identifier: Apache-2.0
import struct
from pathlib import Path

import numpy as np
import pydicom
import pytest

from tests.clients.dicom import factory
from vcf_client.dicom import elements, header
from vcf_client.dicom.files import Source
from vcf_client.dicom.header import Damaged, HeaderReader, words
from vcf_client.dicom.privacy import quiet
from vcf_client.dicom.slices import Slice
from vcf_client.reader import read_study
from vcf_contract.errors import Code, StudyRefused

META = b"\0" * 128 + b"DICM" + b"\x02\x00\x10\x00UI\x14\x00" + b"1.2.840.10008.1.2.1\0"


def one(path: Path) -> Slice:
    slices = HeaderReader().read(Source(path))
    assert isinstance(slices, list) and len(slices) == 1
    return slices[0]


def explicit(group: int, element: int, vr: bytes, value: bytes) -> bytes:
    long = vr in (b"OB", b"OW", b"SQ", b"UN", b"UT")
    length = struct.pack("<HL", 0, len(value)) if long else struct.pack("<H", len(value))
    return struct.pack("<HH", group, element) + vr + length + value


def test_values_of_a_slice(tmp_path: Path) -> None:
    (ds,) = factory.make_series(slices=1, TemporalPositionIdentifier=3, PixelPaddingValue=7)
    s = one(factory.save(ds, tmp_path / "a.dcm"))
    assert s.position_mm == tuple(float(v) for v in ds.ImagePositionPatient)
    assert s.orientation == (1, 0, 0, 0, 1, 0)
    assert (s.pixel_spacing_mm, s.thickness_mm, s.slope, s.intercept) == ((5.0, 5.5), 5.0, 1.0, -1024.0)
    assert (s.acquisition, s.temporal, s.padding, s.sop_uid) == (1, 3, (7, 7), ds.SOPInstanceUID)
    f = s.facts
    assert (f.rows, f.columns, f.bits_allocated, f.bits_stored, f.high_bit, f.signed) == (60, 56, 16, 12, 11, False)
    assert (f.modality, f.kernel, f.words, f.study_words) == ("CT", "STANDARD", "chest 5 0", "chest")
    assert (f.age_years, f.samples, f.photometric) == (78.0, 1, "MONOCHROME2")


def test_pixels_are_found_without_being_read(tmp_path: Path) -> None:
    (ds,) = factory.make_series(slices=1)
    path = factory.save(ds, tmp_path / "a.dcm")
    s = one(path)
    assert s.pixels and s.pixels.length == 2 * 60 * 56
    assert path.read_bytes()[s.pixels.offset : s.pixels.offset + 100] == ds.PixelData[:100]


@pytest.mark.parametrize("private_bytes", [60_000, 65_000, 65_536, 70_000, 200_000])
def test_pixels_behind_a_long_header(tmp_path: Path, private_bytes: int) -> None:
    """The first 64 KiB are parsed in memory; where they end in the middle of an element nothing is lost."""
    (plain,), (long,) = (factory.make_series(slices=1, way=(0, 0, 1)) for _ in range(2))
    block = long.private_block(0x0021, "vcf test", create=True)
    block.add_new(0x10, "OB", bytes(private_bytes))
    block.add_new(0x11, "LO", "behind it")
    expected, found = one(factory.save(plain, tmp_path / "a.dcm")), one(factory.save(long, tmp_path / "b.dcm"))
    assert (found.facts.rows, found.position_mm, found.damage) == (expected.facts.rows, expected.position_mm, None)
    assert expected.pixels and found.pixels
    assert found.pixels.offset > expected.pixels.offset + private_bytes
    with (tmp_path / "b.dcm").open("rb") as file:
        file.seek(found.pixels.offset)
        assert file.read(expected.pixels.length) == plain.PixelData


def test_data_set_without_preamble(tmp_path: Path) -> None:
    folder = factory.write(tmp_path, factory.make_series(slices=26))
    for path in folder.rglob("*.dcm"):
        data = path.read_bytes()
        path.write_bytes(data[144 + int.from_bytes(data[140:144], "little") :])
    assert read_study(folder).volume.hu.shape[0] == 26


def header_bytes(tmp_path: Path, kind: str) -> bytes:
    (ds,) = factory.make_series(slices=1)
    if kind == "enhanced":
        ds = factory.enhanced(factory.make_series(slices=4))
    path = factory.save(ds, tmp_path / "a.dcm")
    read = pydicom.dcmread(path)
    if kind == "implicit":
        read.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
        read.save_as(path, enforce_file_format=True)
    if kind == "run lengths":
        read.compress(pydicom.uid.RLELossless)
        read.save_as(path, enforce_file_format=True)
    return path.read_bytes()


def outcome(data: bytes) -> list[Slice] | str:
    try:
        with quiet():
            read = HeaderReader().read(Source(data=data))
    except Damaged as error:
        return str(error)
    assert isinstance(read, list)
    return read


@pytest.mark.parametrize("kind", ["explicit", "implicit", "enhanced", "run lengths"])
def test_quick_way_through_a_header_finds_what_pydicom_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    data = header_bytes(tmp_path, kind)
    assert header._parse_usual(data) is not None
    rng = np.random.default_rng(8)
    cases = [data]
    for _ in range(150):
        damaged = bytearray(data)
        for at in rng.integers(132, 1200, 2):
            damaged[at] = rng.integers(256)
        cases.append(bytes(damaged[: rng.integers(300, len(data) + 1)]) if rng.random() < 0.2 else bytes(damaged))
    quick = [outcome(case) for case in cases]
    taken = [_taken(case) for case in cases]
    monkeypatch.setattr(header, "_parse_usual", lambda _: None)
    assert quick == [outcome(case) for case in cases]
    assert 50 < sum(taken) < len(cases)


def _taken(data: bytes) -> bool:
    try:
        return header._parse_usual(data) is not None
    except Exception:
        return False


@pytest.mark.parametrize(
    "change", ["no preamble", "big endian", "deflated", "explicit elements as implicit", "no syntax"]
)
def test_unusual_headers_are_left_to_pydicom(tmp_path: Path, change: str) -> None:
    data = header_bytes(tmp_path, "explicit")
    explicit_uid = b"1.2.840.10008.1.2.1\0"
    other = {
        "no preamble": data[132:],
        "big endian": data.replace(explicit_uid, b"1.2.840.10008.1.2.2\0", 1),
        "deflated": data.replace(b"UI\x14\0" + explicit_uid, b"UI\x16\x001.2.840.10008.1.2.1.99", 1),
        "explicit elements as implicit": data.replace(explicit_uid, b"1.2.840.10008.1.2\0\0\0", 1),
        "no syntax": data.replace(b"\x02\x00\x10\x00UI", b"\x02\x00\x11\x00UI", 1),
    }[change]
    assert other != data
    assert header._parse_usual(other) is None


def test_repr_holds_no_identifier(tmp_path: Path) -> None:
    (ds,) = factory.make_series(slices=1)
    text = repr(one(factory.save(ds, tmp_path / "a.dcm")))
    for secret in (*factory.SECRETS, ds.SOPInstanceUID, ds.SeriesInstanceUID, ds.StudyInstanceUID, str(tmp_path)):
        assert secret not in text


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff" * 500,
        explicit(0x0008, 0x0060, b"CS", b"CT")[:5],
        explicit(0x0010, 0x0010, b"PN", b"Archimedes"),
        explicit(0x0028, 0x0010, b"US", b"\x01\x00"),
    ],
)
def test_damaged(body: bytes) -> None:
    with pytest.raises(Damaged) as caught:
        HeaderReader().read(Source(data=META + body))
    assert "Archimedes" not in str(caught.value)


def test_declared_length_beyond_the_file() -> None:
    header = explicit(0x0008, 0x0060, b"CS", b"CT")
    header += struct.pack("<HH2sHL", 0x0020, 0x0032, b"UN", 0, 0xFFFFFFF0)
    try:
        read = HeaderReader().read(Source(data=META + header))
    except Damaged:
        return
    assert isinstance(read, list) and read[0].damage == Code.TRUNCATED


def test_sequences_without_end() -> None:
    """20,000 levels deep; a parser that recurses must not take the process down."""
    nested = (
        struct.pack("<HH2sHL", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF) + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    ) * 20_000
    with pytest.raises(Damaged):
        HeaderReader().read(Source(data=META + nested))


def test_millions_of_elements_are_not_parsed() -> None:
    """It would take minutes, and gigabytes."""
    body = explicit(0x0008, 0x0060, b"CS", b"CT") + explicit(0x0009, 0x0010, b"LO", b"") * 2_000_000
    read = HeaderReader().read(Source(data=META + body))
    assert isinstance(read, list) and read[0].damage == Code.TRUNCATED


def test_frames_do_not_parse_the_shared_groups_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of 20,000 frames asks seven times for what they share, here a sequence of 20,000 items."""
    item = b"\xfe\xff\x00\xe0\0\0\0\0"
    shared = explicit(0x0028, 0x9110, b"SQ", item * 20_000)
    shared = b"\xfe\xff\x00\xe0" + struct.pack("<L", len(shared)) + shared
    body = explicit(0x0008, 0x0060, b"CS", b"CT") + explicit(0x0028, 0x0008, b"IS", b"20000 ")
    body += explicit(0x5200, 0x9229, b"SQ", shared) + explicit(0x5200, 0x9230, b"SQ", item * 20_000)
    parsed: list[int] = []
    converted = elements._converted
    monkeypatch.setattr(elements, "_converted", lambda element: (parsed.append(element.tag), converted(element))[1])
    read = HeaderReader().read(Source(data=META + body))
    assert isinstance(read, list) and len(read) == 20_000
    assert len(parsed) < 10, "not one for each frame"


@pytest.mark.parametrize(
    "value", [b"1e999\\0\\0", b"nan\\0\\0", b"0x10\\1\\2", b"1\\2", b"1\\2\\3\\4", b"", b"\\\\", b"1e6\\0\\0"]
)
def test_positions_that_are_none(value: bytes) -> None:
    body = explicit(0x0008, 0x0060, b"CS", b"CT") + explicit(0x0020, 0x0032, b"DS", value)
    read = HeaderReader().read(Source(data=META + body))
    assert isinstance(read, list) and read[0].position_mm is None


def test_words() -> None:
    assert words("  CT-Chest/ABD_w. Kontrast (Ü) ") == "ct chest abd w kontrast"


def test_facts_are_shared(tmp_path: Path) -> None:
    """Equal elements are converted once; a slice that differs has facts of its own."""
    series = factory.make_series(slices=3)
    series[2].ConvolutionKernel = "SOFT"
    reader = HeaderReader()
    read = [reader.read(Source(factory.save(ds, tmp_path / f"{k}.dcm"))) for k, ds in enumerate(series)]
    a, b, c = (r[0] for r in read if isinstance(r, list))
    assert a.facts is b.facts and a.facts != c.facts


@pytest.mark.parametrize("seed", range(5))
def test_random_damage_in_a_series(tmp_path: Path, seed: int) -> None:
    """One or two files of a good series damaged anywhere: read or refused, never another error."""
    rng = np.random.default_rng(seed)
    folder = factory.write(tmp_path, factory.make_series(slices=26, rows=51, columns=51, spacing_mm=(5.5, 5.5)))
    paths = sorted(folder.rglob("*.dcm"))
    originals = [p.read_bytes() for p in paths]
    for _ in range(12):
        chosen = rng.choice(len(paths), 2, replace=False)
        for i in chosen:
            damaged = bytearray(originals[i])
            for at in rng.integers(132, 1500, rng.integers(1, 5)):
                damaged[at] = rng.integers(256)
            paths[i].write_bytes(damaged[: rng.integers(1000, len(damaged) + 1)] if rng.random() < 0.3 else damaged)
        try:
            volume = read_study(folder).volume
            assert volume.hu.shape[0] >= 24
        except StudyRefused as refusal:
            assert refusal.code in Code
        for i in chosen:
            paths[i].write_bytes(originals[i])
