# SPDX-License-Identifier: Apache-2.0
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from openjpeg.utils import encode_array
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

from tests.clients.dicom import factory
from tests.clients.dicom.test_stack import assert_is_body
from vcf_client.dicom.files import Source
from vcf_client.dicom.header import HeaderReader
from vcf_client.reader import read_study
from vcf_client.study import Study
from vcf_contract.errors import Code, StudyRefused


def read(folder: Path, series: Sequence[Dataset]) -> Study:
    return read_study(factory.write(folder, series))


def code_of(folder: Path, series: Sequence[Dataset]) -> Code:
    with pytest.raises(StudyRefused) as caught:
        read(folder, series)
    return caught.value.code


@pytest.mark.parametrize(
    "form",
    [
        {"intercept": -1024},
        {"intercept": -1000},
        {"intercept": 0, "signed": True, "bits_stored": 16},
        {"intercept": 0, "signed": True, "bits_stored": 12},
        {"intercept": -1024, "signed": True, "bits_stored": 16},
        {"intercept": -1024.5},
        {"intercept": -1024, "slope": 0.5, "bits_stored": 16},
        {"intercept": -1024, "slope": 0.0625, "bits_stored": 16},  # values of 32768 and more are no negative ones
        {"intercept": -8192, "bits_stored": 16},
    ],
    ids=str,
)
def test_pixel_formats(tmp_path: Path, form: dict[str, Any]) -> None:
    assert_is_body(read(tmp_path, factory.make_series(**form)))


def test_rescale_differs_from_slice_to_slice(tmp_path: Path) -> None:
    """Read as each header says, and flagged."""
    a, b = factory.make_series(), factory.make_series(slope=0.5, intercept=-1050, bits_stored=16)
    for k in range(0, 30, 2):
        for keyword in ("PixelData", "RescaleSlope", "RescaleIntercept", "BitsStored", "HighBit"):
            setattr(a[k], keyword, b[k][keyword].value)
    study = read(tmp_path, a)
    assert_is_body(study)
    assert Code.RESCALE_DIFFERS in study.flags


def test_bits_above_those_stored_are_ignored(tmp_path: Path) -> None:
    """Old files keep an overlay in the upper four bits."""
    series = factory.make_series()
    for ds in series:
        stored = np.frombuffer(ds.PixelData, "<u2").copy()
        stored[::3] |= 0xF000
        ds.PixelData = stored.tobytes()
    assert_is_body(read(tmp_path, series))


def test_high_bit_above_the_lowest(tmp_path: Path) -> None:
    series = factory.make_series()
    for ds in series:
        ds.PixelData = (np.frombuffer(ds.PixelData, "<u2") << 4).astype("<u2").tobytes()
        ds.HighBit = 15
    assert_is_body(read(tmp_path, series))


def test_32_bits(tmp_path: Path) -> None:
    series = factory.make_series()
    for ds in series:
        ds.BitsAllocated = 32
        factory.set_pixels(ds, np.frombuffer(ds.PixelData, "<u2").reshape(ds.Rows, ds.Columns))
    assert_is_body(read(tmp_path, series))


def corner(shape: tuple[int, ...]) -> Any:
    y, x = np.mgrid[: shape[-2], : shape[-1]]
    return (x - shape[-1] / 2) ** 2 / shape[-1] ** 2 + (y - shape[-2] / 2) ** 2 / shape[-2] ** 2 > 0.3


@pytest.mark.parametrize(
    ("form", "value", "element"),
    [
        ({"intercept": -1024, "signed": True, "bits_stored": 16}, -2000, -2000),
        ({"intercept": -1024, "signed": True, "bits_stored": 16}, -2000, None),
        ({"intercept": -1024, "signed": True, "bits_stored": 16}, -2000, 63536),  # written with the wrong sign
        ({"intercept": 0, "signed": True, "bits_stored": 16}, -3024, None),
        ({"intercept": 0, "signed": True, "bits_stored": 16}, -32768, -32768),
        ({"intercept": -1024}, 0, 0),
        ({"intercept": -1024, "bits_stored": 16}, 63536, None),
        ({"intercept": -1024, "bits_stored": 12}, 63536, 63536),
        ({"intercept": 0, "signed": True, "bits_stored": 16}, 0, 0),  # also the value of water
        ({"intercept": -1024}, 4095, 4095),
    ],
    ids=str,
)
def test_padding_becomes_air(tmp_path: Path, form: dict[str, Any], value: int, element: int | None) -> None:
    series = factory.make_series(**form)
    kind = "<i2" if form.get("signed") else "<u2"
    for ds in series:
        stored = np.frombuffer(ds.PixelData, kind).reshape(ds.Rows, ds.Columns).copy()
        stored[corner(stored.shape)] = value
        ds.PixelData = stored.tobytes()
        if element is not None:
            ds.add_new(0x00280120, "SS" if element < 0 else "US", element)
    volume = read(tmp_path, series).volume
    outside = np.broadcast_to(corner(volume.hu.shape), volume.hu.shape)
    assert np.all(volume.hu[outside] == -1024)
    expected = factory.at_voxels(volume.affine, volume.hu.shape)
    assert np.abs(volume.hu - expected)[~outside].max() <= 1


def test_padding_range(tmp_path: Path) -> None:
    series = factory.make_series(PixelPaddingValue=4000, PixelPaddingRangeLimit=4095)
    for k, ds in enumerate(series):
        stored = np.frombuffer(ds.PixelData, "<u2").reshape(ds.Rows, ds.Columns).copy()
        stored[corner(stored.shape)] = 4000 + k
        ds.PixelData = stored.tobytes()
    volume = read(tmp_path, series).volume
    assert np.all(volume.hu[:, corner(volume.hu.shape)] == -1024)


def test_clipping_keeps_metal(tmp_path: Path) -> None:
    def with_metal(x: Any, y: Any, z: Any) -> Any:
        return np.where((np.abs(x) < 12) & (np.abs(y) < 12), 25_000.0, factory.body(x, y, z))

    study = read(tmp_path, factory.make_series(field=with_metal, bits_stored=16))
    assert study.volume.hu.max() == 25_000
    assert Code.METAL in study.flags


def test_values_beyond_int16_are_clipped(tmp_path: Path) -> None:
    def with_metal(x: Any, y: Any, z: Any) -> Any:
        return np.where((np.abs(x) < 12) & (np.abs(y) < 12), 120_000.0, factory.body(x, y, z))

    study = read(tmp_path, factory.make_series(field=with_metal, slope=4, bits_stored=16))
    assert study.volume.hu.max() == 32767 and study.volume.hu.min() >= -1024


def test_intercept_above_zero(tmp_path: Path) -> None:
    assert_is_body(read(tmp_path, factory.make_series(intercept=1000, signed=True, bits_stored=16)))


def recoded(series: Sequence[Dataset], syntax: str) -> Sequence[Dataset]:
    for ds in series:
        if syntax in (JPEGLSLossless, JPEG2000Lossless, RLELossless):
            ds.compress(syntax, generate_instance_uid=False)
        else:
            ds.file_meta.TransferSyntaxUID = syntax
    return series


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, RLELossless, JPEGLSLossless]
)
@pytest.mark.parametrize("form", [{}, {"intercept": 0, "signed": True, "bits_stored": 16}], ids=str)
def test_transfer_syntaxes(tmp_path: Path, syntax: str, form: dict[str, Any]) -> None:
    study = read(tmp_path, recoded(factory.make_series(**form), syntax))
    assert_is_body(study)
    assert Code.LOSSY not in study.flags


def test_big_endian(tmp_path: Path) -> None:
    series = factory.make_series()
    for ds in series:
        ds.PixelData = np.frombuffer(ds.PixelData, "<u2").astype(">u2").tobytes()
        ds.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    assert_is_body(read(tmp_path, series))


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, RLELossless, JPEGLSLossless])
def test_multiframe_transfer_syntaxes(tmp_path: Path, syntax: str) -> None:
    ds = factory.enhanced(factory.make_series())
    recoded([ds], syntax)
    assert_is_body(read_study(factory.save(ds, tmp_path / "enhanced.dcm")))


LOSSLESS = ("BigEndianExplicit", "DeflatedExplicitVRLittleEndian", "JPEG2000LosslessOnly", "JPEGLSLossless")
LOSSLESS += ("JPEGProcess14", "JPEGProcess14SV1", "LittleEndianExplicit", "LittleEndianImplicit", "RLELossless")
LOSSY = {
    "JPEG2000": 5,
    "JPEGLSLossy": 1,
    "JPEGProcess2_4": 36,
    "JPEGProcess6_8": 36,  # pydicom refuses this one
    "JPEGProcess10_12": 36,  # and this
}
"""Largest difference from the original in HU."""


def whole_series_of(path: Path, folder: Path) -> Path:
    """One slice as 26 at different places, its pixel data untouched."""
    ds = dcmread(path)
    for k in range(26):
        ds.ImagePositionPatient = [-161.4, -148.8, 5.0 * k]
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        ds.save_as(folder / f"{k}.dcm")
    return folder


@pytest.mark.parametrize("name", [*LOSSLESS, *LOSSY])
def test_one_slice_in_all_transfer_syntaxes(shared_data: Path, tmp_path: Path, name: str) -> None:
    syntaxes = shared_data / "malformed" / "transfer-syntaxes"
    study = read_study(whole_series_of(syntaxes / f"ct-{name}.dcm", tmp_path))
    original = dcmread(syntaxes / "ct-original.dcm")
    expected = np.clip(original.pixel_array - 1024, -1024, None)
    difference = np.abs(study.volume.hu - expected)[:, original.pixel_array > -2000]
    assert difference.max() <= LOSSY.get(name, 0)
    assert np.abs(study.volume.hu[:, original.pixel_array == -2000] + 1024).max() <= 2 * LOSSY.get(name, 0)
    assert (Code.LOSSY in study.flags) == (name in LOSSY)


def test_eight_bits_are_too_coarse(shared_data: Path, tmp_path: Path) -> None:
    folder = whole_series_of(shared_data / "malformed" / "transfer-syntaxes" / "ct-JPEGProcess1.dcm", tmp_path)
    with pytest.raises(StudyRefused) as caught:
        read_study(folder)
    assert caught.value.code == Code.BAD_HU and "32 HU" in caught.value.sentence


@pytest.mark.parametrize(
    "syntax", ["1.2.840.10008.1.2.4.102", "1.2.840.10008.1.2.4.93", "1.2.3.4", "1.2.840.10008.1.2.7.1"]
)
def test_unknown_transfer_syntax(tmp_path: Path, syntax: str) -> None:
    series = factory.make_series(slices=26)
    for ds in series:
        ds.PixelData = encapsulate([b"\0\0\0\1" * 100])
        ds["PixelData"].is_undefined_length = True
        ds["PixelData"].VR = "OB"
        ds.file_meta.TransferSyntaxUID = syntax
        ds.set_original_encoding(False, True)
    assert code_of(tmp_path, series) == Code.BAD_TRANSFER_SYNTAX


def cut(path: Path, share: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, RLELossless, JPEGLSLossless])
def test_one_damaged_slice_is_filled(tmp_path: Path, syntax: str) -> None:
    series = recoded(factory.make_series(), syntax)
    factory.write(tmp_path, series)
    middle = next(p for p in tmp_path.rglob("*.dcm") if dcmread(p).SOPInstanceUID == series[14].SOPInstanceUID)
    cut(middle, 0.6)
    study = read_study(tmp_path)
    assert {Code.TRUNCATED, Code.SLICES_FILLED} <= set(study.flags)
    assert study.volume.hu.shape[0] == 30
    assert_is_body(study)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, RLELossless, JPEGLSLossless])
def test_damaged_slice_at_the_end_is_left_out(tmp_path: Path, syntax: str) -> None:
    series = recoded(factory.make_series(), syntax)
    factory.write(tmp_path, series)
    first = next(p for p in tmp_path.rglob("*.dcm") if dcmread(p).SOPInstanceUID == series[0].SOPInstanceUID)
    cut(first, 0.6)
    study = read_study(tmp_path)
    assert study.volume.hu.shape[0] == 29
    assert Code.TRUNCATED in study.flags and Code.SLICES_FILLED not in study.flags
    assert_is_body(study)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, RLELossless, JPEGLSLossless])
def test_all_slices_cut_off(tmp_path: Path, syntax: str) -> None:
    factory.write(tmp_path, recoded(factory.make_series(), syntax))
    for path in tmp_path.rglob("*.dcm"):
        cut(path, 0.8)
    with pytest.raises(StudyRefused) as caught:
        read_study(tmp_path)
    assert caught.value.code == Code.TRUNCATED


def test_huge_declared_size_allocates_nothing(tmp_path: Path) -> None:
    series = factory.make_series(slices=26)
    for ds in series:
        ds.Rows = ds.Columns = 65535
    assert code_of(tmp_path, series) == Code.TRUNCATED


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless])
def test_huge_declared_size_of_compressed_slices(tmp_path: Path, syntax: str) -> None:
    """Refused at once: more than fits a request, and less, where the files could not hold it."""
    series = recoded(factory.make_series(slices=26), syntax)
    for ds in series:
        ds.Rows = ds.Columns = 65535
    assert code_of(tmp_path / "a", series) == Code.TOO_LARGE
    for ds in series:
        ds.Rows = ds.Columns = 6000
    assert code_of(tmp_path / "b", series) == Code.TOO_LARGE


def test_codestream_larger_than_declared(tmp_path: Path) -> None:
    """The decoder would allocate what the codestream says."""
    large = recoded(factory.make_series(slices=26, rows=600, columns=600, spacing_mm=(0.6, 0.6)), JPEGLSLossless)
    for ds in large:
        ds.Rows = ds.Columns = 300
        ds.PixelSpacing = [1.2, 1.2]
    assert code_of(tmp_path, large) == Code.TRUNCATED


def test_no_pixels(tmp_path: Path) -> None:
    assert code_of(tmp_path, factory.make_series(slices=26, PixelData=None)) == Code.TRUNCATED


@pytest.mark.parametrize("bits", [(12, 12), (64, 16), (16, 17), (1, 1)])
def test_odd_bits(tmp_path: Path, bits: tuple[int, int]) -> None:
    series = factory.make_series(slices=26)
    for ds in series:
        ds.BitsAllocated, ds.BitsStored = bits
        ds.PixelData = ds.PixelData * 4
    assert code_of(tmp_path, series) == Code.UNSUPPORTED_SOP


@pytest.mark.parametrize("compressed", [False, True])
def test_file_that_goes_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compressed: bool) -> None:
    ds = factory.enhanced(factory.make_series())
    if compressed:
        ds.compress(RLELossless, generate_instance_uid=False)
    path = factory.save(ds, tmp_path / "in" / "enhanced.dcm")

    def gone(self: HeaderReader, source: Source) -> Any:
        slices = read(self, source)
        path.unlink()
        return slices

    read = HeaderReader.read
    monkeypatch.setattr(HeaderReader, "read", gone)
    with pytest.raises(StudyRefused) as caught:
        read_study(path)
    assert caught.value.code == Code.TRUNCATED


def padded(ds: Dataset, pad: bytes, fragments: int = 1) -> Dataset:
    """The only frame cut into fragments, with something after its end marker."""
    frame = next(generate_frames(ds.PixelData, number_of_frames=1)).rstrip(b"\0")
    if ds.file_meta.TransferSyntaxUID != RLELossless:
        frame += pad
    ds.PixelData = encapsulate([frame + b"\0" * (len(frame) % 2)], fragments_per_frame=fragments)
    ds["PixelData"].is_undefined_length = True
    return ds


@pytest.mark.parametrize("pad", [b"", b"\0", b"\xff", b"\xcc", b"\xff" * 21, b"\xcc\xff\xd8"], ids=bytes.hex)
@pytest.mark.parametrize("syntax", [JPEGLSLossless, JPEG2000Lossless, RLELossless])
@pytest.mark.parametrize("fragments", [1, 3])
def test_frames_padded_after_their_end(tmp_path: Path, syntax: str, pad: bytes, fragments: int) -> None:
    series = [padded(ds, pad, fragments) for ds in recoded(factory.make_series(slices=26), syntax)]
    study = read(tmp_path, series)
    assert study.flags == (Code.THICK_SLICES,)
    assert_is_body(study)


@pytest.mark.parametrize("syntax", [JPEGLSLossless, JPEG2000Lossless])
@pytest.mark.parametrize("offsets", [False, True])
def test_padded_frames_of_one_file_in_several_fragments(tmp_path: Path, syntax: str, offsets: bool) -> None:
    """Where no table says where frames begin, their end markers do, however much follows them."""
    ds = factory.enhanced(factory.make_series())
    ds.compress(syntax, generate_instance_uid=False)
    frames = [f.rstrip(b"\0") + b"\xcc" * 40 for f in generate_frames(ds.PixelData, number_of_frames=30)]
    ds.PixelData = encapsulate([f + b"\xcc" * (len(f) % 2) for f in frames], fragments_per_frame=2, has_bot=offsets)
    ds["PixelData"].is_undefined_length = True
    assert_is_body(read_study(factory.save(ds, tmp_path / "enhanced.dcm")))


@pytest.mark.parametrize("syntax", [JPEGLSLossless, JPEG2000Lossless, RLELossless])
def test_frames_cut_off_are_found_whatever_pads_them(tmp_path: Path, syntax: str) -> None:
    """Fragments as long as they say, whose code streams are not: as some archives store what they received in part."""
    for number, share in enumerate((0.3, 0.9, 0.99)):
        series = recoded(factory.make_series(slices=26), syntax)
        for ds in series:
            frame = next(generate_frames(ds.PixelData, number_of_frames=1)).rstrip(b"\0")
            frame = frame[: int(len(frame) * share)]
            ds.PixelData = encapsulate([frame + b"\xff" * (len(frame) % 2)])
            ds["PixelData"].is_undefined_length = True
        assert code_of(tmp_path / str(number), series) == Code.TRUNCATED


def as_jpeg_2000(ds: Dataset, stored: Any, bits: int, signed: bool) -> Dataset:
    """The slice with a code stream of this sign and depth, its header left as it is."""
    frame = encode_array(stored.astype("<i2" if signed else "<u2"), bits_stored=bits, photometric_interpretation=2)
    ds.PixelData = encapsulate([frame + b"\0" * (len(frame) % 2)])
    ds["PixelData"].is_undefined_length = True
    ds["PixelData"].VR = "OB"
    ds.file_meta.TransferSyntaxUID = JPEG2000Lossless
    return ds


@pytest.mark.parametrize(
    ("bits", "signed", "header"),
    [
        (12, False, {"signed": True, "bits_stored": 16}),
        (13, False, {"signed": True, "bits_stored": 16}),
        (13, False, {"signed": True, "bits_stored": 14}),
        (13, True, {"signed": True, "bits_stored": 16}),
        (14, True, {"signed": True, "bits_stored": 16}),
        (16, False, {"signed": False, "bits_stored": 12}),
        (12, False, {"signed": False, "bits_stored": 16}),
        (12, False, {"signed": False, "bits_stored": 12}),
    ],
    ids=str,
)
def test_code_stream_has_its_own_sign_and_depth(
    tmp_path: Path, bits: int, signed: bool, header: dict[str, Any]
) -> None:
    """Values up to the top of the code stream's range, which the header's would turn to negative ones."""

    def with_metal(x: Any, y: Any, z: Any) -> Any:
        return np.where((np.abs(x) < 12) & (np.abs(y) < 12), 2900.0, factory.body(x, y, z))

    series = factory.make_series(field=with_metal, **header)
    for ds in series:
        stored = np.frombuffer(ds.PixelData, "<i2").reshape(ds.Rows, ds.Columns)
        as_jpeg_2000(ds, stored, bits, signed)
    study = read(tmp_path, series)
    expected = factory.at_voxels(study.volume.affine, study.volume.hu.shape, with_metal)
    assert np.abs(study.volume.hu - expected).max() <= 1
    assert Code.CODE_STREAM_DIFFERS not in study.flags


def test_values_beyond_what_the_header_could_hold_are_flagged(tmp_path: Path) -> None:
    """The code stream holds; who reads by the header alone gets others."""
    series = factory.make_series()
    for ds in series:
        stored = np.frombuffer(ds.PixelData, "<u2").reshape(ds.Rows, ds.Columns) * 1
        stored[:2] = 5000
        as_jpeg_2000(ds, stored, 16, False)
    study = read(tmp_path, series)
    assert Code.CODE_STREAM_DIFFERS in study.flags and study.volume.hu[0, 0, 0] == 5000 - 1024


def test_signed_values_that_an_encoder_passed_on_as_unsigned(tmp_path: Path) -> None:
    """Equal depth, no sign: the bits are those of the header's two's complement. Flagged, for nobody can be sure."""
    series = factory.make_series(signed=True, intercept=0, bits_stored=13)
    for ds in series:
        stored = np.frombuffer(ds.PixelData, "<i2").reshape(ds.Rows, ds.Columns) & 0x1FFF
        as_jpeg_2000(ds, stored, 13, False)
    study = read(tmp_path, series)
    assert_is_body(study)
    assert Code.CODE_STREAM_DIFFERS in study.flags
