# SPDX-License-Identifier: Apache-2.0
"""Where code streams end, against the encoders that made them: every prefix is cut off, every padding is padding."""

from pathlib import Path

import numpy as np
import pytest
from openjpeg.utils import encode_array
from pydicom import dcmread
from pydicom.encaps import generate_frames
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless

from tests.clients.dicom import factory
from vcf_client.dicom.codestream import Format, declared_format, declared_size, whole

PADS = [b"\0", b"\xff", b"\xcc", b"\xff\xff", b"\xd9", b"\x00\xff", b"\xff\xd8", b"\xcc" * 1001, b"\xff\xd9" * 3]


def encoded(syntax: str, **form: int) -> bytes:
    ds = factory.make_series(slices=1, **form)[0]  # type: ignore[arg-type]
    ds.compress(syntax, generate_instance_uid=False)
    frame = next(generate_frames(ds.PixelData, number_of_frames=1))
    assert frame.rstrip(b"\0").endswith(b"\xff\xd9")
    return frame.rstrip(b"\0")


FRAMES = {
    "JPEG-LS": lambda: encoded(JPEGLSLossless),
    "JPEG 2000": lambda: encoded(JPEG2000Lossless),
    "JPEG 2000 in boxes": lambda: encode_array(picture(), codec_format=1, photometric_interpretation=2),
}


def picture(bits: int = 12, signed: bool = False) -> np.ndarray:
    rng = np.random.default_rng(1)
    return (rng.integers(0, 1 << bits, (48, 40)) - ((1 << bits - 1) if signed else 0)).astype("i2" if signed else "u2")


@pytest.fixture(params=FRAMES)
def frame(request: pytest.FixtureRequest) -> bytes:
    return FRAMES[request.param]()


@pytest.mark.parametrize("pad", PADS, ids=lambda pad: f"{pad[:2].hex()}x{len(pad)}")
def test_what_follows_the_end_is_left_out(frame: bytes, pad: bytes) -> None:
    assert whole(frame + pad) == frame


def test_every_prefix_is_cut_off(frame: bytes) -> None:
    """But for one of JPEG 2000 that lacks nothing but its end marker, which is put back."""
    for size in range(4, len(frame)):
        if declared_size(frame[:size]) is None:
            continue
        found = whole(frame[:size])
        assert found is None or (found == frame and size >= len(frame) - 2), f"the first {size} of {len(frame)} bytes"


@pytest.mark.parametrize(
    "name",
    [
        *("JPEGProcess14", "JPEGProcess14SV1", "JPEGProcess1", "JPEGProcess2_4"),
        *("JPEGProcess6_8", "JPEGProcess10_12", "JPEG2000", "JPEG2000LosslessOnly", "JPEGLSLossless", "JPEGLSLossy"),
    ],
)
def test_frames_of_other_encoders(shared_data: Path, name: str) -> None:
    path = shared_data / "malformed" / "transfer-syntaxes" / f"ct-{name}.dcm"
    frame = next(generate_frames(dcmread(path).PixelData, number_of_frames=1)).rstrip(b"\0")
    for pad in PADS:
        assert whole(frame + pad) == frame
    for size in np.random.default_rng(2).integers(1000, len(frame) - 2, 300):
        assert whole(frame[:size]) is None


def test_other_frames_are_not_judged() -> None:
    assert whole(b"\0\0\0\1" * 20) == b"\0\0\0\1" * 20
    assert whole(b"") == b""


def test_thumbnail_within_a_frame() -> None:
    """A segment may hold a picture of its own, with an end marker."""
    frame = encoded(JPEGLSLossless)
    thumbnail = b"\xff\xe0" + (2 + len(frame)).to_bytes(2, "big") + frame
    with_thumbnail = frame[:2] + thumbnail + frame[2:]
    assert whole(with_thumbnail + b"\xcc") == with_thumbnail
    assert whole(with_thumbnail[: len(thumbnail) + 20]) is None
    assert declared_size(with_thumbnail) == declared_size(frame)


@pytest.mark.parametrize("bits", [8, 10, 12, 13, 16])
@pytest.mark.parametrize("signed", [False, True])
def test_declared_format(bits: int, signed: bool) -> None:
    frame = encode_array(picture(bits, signed), bits_stored=bits, photometric_interpretation=2)
    assert declared_format(frame) == Format(bits, signed)
    assert declared_size(frame) == (48, 40)


def test_jpeg_has_no_sign() -> None:
    assert declared_format(encoded(JPEGLSLossless)) == Format(12, None)
    assert declared_format(b"\0" * 100) is None and declared_format(b"\xff\xd8\xff\xd9") is None
