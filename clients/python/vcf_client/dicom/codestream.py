# SPDX-License-Identifier: Apache-2.0
"""Headers of compressed frames, read before a decoder is trusted with it.

Decoders allocate what the code stream declares, and some fill in what a code stream that ends early does not hold.
Where a code stream ends, its own markers tell; what follows its end marker is padding, whatever its bytes are.
"""

import re
import struct
from dataclasses import dataclass

_ITEM, _DELIMITER = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
_NO_FRAME_HEADER = {0xC4, 0xC8, 0xCC}  # Huffman tables, reserved, arithmetic conditioning
_JPEG_START, _JPEG_END, _JPEG_SCAN = 0xD8, 0xD9, 0xDA
_AFTER_SCAN = re.compile(rb"\xff[\x80-\xcf\xd8-\xfe]")
"""The first marker behind entropy-coded data: in there, 0xff is followed by a zero bit (T.81 B.1.1.5, T.87 A.1)."""
_J2K_START, _J2K_SIZE, _J2K_TILE_PART, _J2K_DATA, _J2K_END = 0xFF4F, 0xFF51, 0xFF90, 0xFF93, 0xFFD9


@dataclass(frozen=True)
class Format:
    """Sign and depth of the values. ``signed`` is None where the code stream has no sign (JPEG, JPEG-LS)."""

    bits: int
    signed: bool | None


def fragments_end(encapsulated: bytes) -> bool:
    """Return whether all fragments (DICOM PS3.5 section A.4) are as long as they declare: nothing was cut off."""
    at = 0
    while at + 8 <= len(encapsulated):
        tag, length = struct.unpack_from("<4sL", encapsulated, at)
        if tag != _ITEM:
            return bool(tag == _DELIMITER)
        at += 8 + length
    return at == len(encapsulated)


def whole(frame: bytes) -> bytes | None:
    """The code stream of a frame without what follows its end; None where it is cut off.

    A JPEG 2000 code stream whose tile-parts are all there and whose end marker alone is missing gets one. A frame that
    is neither JPEG, JPEG-LS nor JPEG 2000 is not judged.
    """
    if frame[:2] == b"\xff\xd8":
        end = _jpeg_end(frame)
        return None if end is None else frame[:end]
    start = _j2k_start(frame)
    return frame if start is None else _whole_j2k(frame, start)


def declared_size(frame: bytes) -> tuple[int, int] | None:
    """Rows and columns of a JPEG, JPEG-LS or JPEG 2000 code stream; None where there is no such header.

    ITU-T T.81 annex B.2.2, T.87 annex C.2.2, T.800 annex A.5.1.
    """
    if frame[:2] == b"\xff\xd8":
        at = _jpeg_frame_header(frame)
        return None if at is None else struct.unpack_from(">2H", frame, at + 5)
    start = _j2k_start(frame)
    if start is None or len(frame) < start + 24:
        return None
    right, bottom, left, top = struct.unpack_from(">4L", frame, start + 8)
    return bottom - top, right - left


def declared_format(frame: bytes) -> Format | None:
    """Sign and depth that a code stream declares (as `declared_size`); None where there is no such header."""
    if frame[:2] == b"\xff\xd8":
        at = _jpeg_frame_header(frame)
        return None if at is None else Format(frame[at + 4], None)
    start = _j2k_start(frame)
    if start is None or len(frame) < start + 43:
        return None
    component = frame[start + 42]
    return Format((component & 0x7F) + 1, bool(component & 0x80))


def tiles(frame: bytes) -> int:
    """Return how many tiles a JPEG 2000 code stream is cut into; 0 for any other, or where its header is too short."""
    start = _j2k_start(frame)
    return 0 if frame[:2] == b"\xff\xd8" or start is None else _tiles(frame, start)


def _jpeg_frame_header(frame: bytes) -> int | None:
    """Return where the marker of the frame header (SOF) lies."""
    at = 2
    while at + 9 <= len(frame):
        if frame[at] != 0xFF:
            return None
        marker = frame[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if (0xC0 <= marker <= 0xCF and marker not in _NO_FRAME_HEADER) or marker == 0xF7:
            return at
        at += _jpeg_step(frame, at)
    return None


def _jpeg_step(frame: bytes, at: int) -> int:
    """Length of a marker with its segment; some have none."""
    marker = frame[at + 1]
    if marker in (0x01, _JPEG_START) or 0xD0 <= marker <= 0xD7:
        return 2
    return 2 + max(2, int(struct.unpack_from(">H", frame, at + 2)[0]))


def _jpeg_end(frame: bytes) -> int | None:
    """Just behind the end marker, from segment to segment and over the scans between them."""
    at = 2
    while at + 2 <= len(frame):
        if frame[at] != 0xFF:
            return None
        marker = frame[at + 1]
        if marker == _JPEG_END:
            return at + 2
        if marker == 0xFF:
            at += 1
            continue
        if at + 4 > len(frame):
            return None
        at += _jpeg_step(frame, at)
        if marker == _JPEG_SCAN:
            found = _AFTER_SCAN.search(frame, at)
            if found is None:
                return None
            at = found.start()
    return None


def _j2k_start(frame: bytes) -> int | None:
    start = frame.find(b"\xff\x4f\xff\x51", 0, 4096)  # wrapped in JP2 boxes in some files
    return None if start < 0 else start


def _whole_j2k(frame: bytes, start: int) -> bytes | None:
    """Step from tile-part to tile-part (T.800 annex A.4.2): each says how long it is, and how many its tile has."""
    missing: dict[int, int | None] = {}
    at = start + 2
    while at + 4 <= len(frame):
        marker, length = struct.unpack_from(">2H", frame, at)
        if marker == _J2K_END:
            break
        if marker != _J2K_TILE_PART:
            if missing:  # neither a tile-part nor the end where one of them must be
                break
            at += 2 + length
            continue
        if at + 12 > len(frame):
            return None
        tile, size, _, parts = struct.unpack_from(">HLBB", frame, at + 4)
        if size == 0:  # up to the end marker, which no packet can hold
            end = frame.find(b"\xff\xd9", at)
            return None if end < 0 else frame[: end + 2]
        left = parts if missing.get(tile) is None else missing[tile]
        missing[tile] = left - 1 if left else None
        at += size
    if frame[at : at + 2] == b"\xff\xd9" and missing:
        return frame[: at + 2]
    complete = len(missing) == _tiles(frame, start) and all(left == 0 for left in missing.values())
    return frame[:at] + b"\xff\xd9" if complete and at <= len(frame) else None


def _tiles(frame: bytes, start: int) -> int:
    if len(frame) < start + 40:
        return 0
    sizes: tuple[int, ...] = struct.unpack_from(">8L", frame, start + 8)
    right, bottom, _, _, width, height, left, top = sizes
    return -(-(right - left) // max(1, width)) * -(-(bottom - top) // max(1, height))
