# SPDX-License-Identifier: Apache-2.0
"""What a compressed frame says of itself, read before a decoder is trusted with it.

Decoders allocate what the codestream declares, and some fill in what a codestream that ends early does not hold.
"""

import struct

_ITEM, _DELIMITER = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
_NO_FRAME_HEADER = {0xC4, 0xC8, 0xCC}  # Huffman tables, reserved, arithmetic conditioning


def fragments_end(encapsulated: bytes) -> bool:
    """Whether all fragments (DICOM PS3.5 section A.4) are as long as they declare: nothing was cut off."""
    at = 0
    while at + 8 <= len(encapsulated):
        tag, length = struct.unpack_from("<4sL", encapsulated, at)
        if tag != _ITEM:
            return bool(tag == _DELIMITER)
        at += 8 + length
    return at == len(encapsulated)


def has_end(frame: bytes) -> bool:
    """Whether a JPEG or JPEG-LS codestream ends with the end marker; others are not judged."""
    return frame[:2] != b"\xff\xd8" or frame.rstrip(b"\0").endswith(b"\xff\xd9")


def declared_size(frame: bytes) -> tuple[int, int] | None:
    """Rows and columns of a JPEG, JPEG-LS or JPEG 2000 codestream; None where there is no such header.

    ITU-T T.81 annex B.2.2, T.87 annex C.2.2, T.800 annex A.5.1.
    """
    if frame[:2] == b"\xff\xd8":
        return _jpeg_size(frame)
    start = frame.find(b"\xff\x4f\xff\x51", 0, 4096)  # wrapped in JP2 boxes in some files
    if start < 0 or len(frame) < start + 24:
        return None
    right, bottom, left, top = struct.unpack_from(">4L", frame, start + 8)
    return bottom - top, right - left


def _jpeg_size(frame: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(frame):
        if frame[at] != 0xFF:
            return None
        marker = frame[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if (0xC0 <= marker <= 0xCF and marker not in _NO_FRAME_HEADER) or marker == 0xF7:
            rows, columns = struct.unpack_from(">2H", frame, at + 5)
            return rows, columns
        if marker == 0x01 or 0xD0 <= marker <= 0xD7:  # markers without a segment
            at += 2
            continue
        at += 2 + max(2, struct.unpack_from(">H", frame, at + 2)[0])
    return None
