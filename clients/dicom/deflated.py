# SPDX-License-Identifier: Apache-2.0
"""Deflated files (DICOM PS3.5 section A.5) unpacked within a limit, which pydicom's own unpacking has not."""

import struct
import zlib
from typing import BinaryIO

from clients.dicom.files import MAX_UNPACKED_BYTES, Source

_DEFLATED = b"1.2.840.10008.1.2.1.99"
_EXPLICIT_LITTLE_ENDIAN = b"1.2.840.10008.1.2.1".ljust(len(_DEFLATED), b"\0")
_META_START = 144
"""Preamble, prefix and the group length element, which says where the file meta information ends (PS3.10)."""


class Inflater:
    """Unpacks the deflated files of one study; all of them together stay below the limit."""

    def __init__(self, limit_bytes: int = MAX_UNPACKED_BYTES) -> None:
        self._left = limit_bytes

    def plain(self, file: BinaryIO) -> Source | None:
        """A deflated file as explicit little endian; None for any other, which is left at its start.

        Raises ValueError beyond the limit.
        """
        start = file.read(1024)
        file.seek(0)
        if start[128:132] != b"DICM" or _DEFLATED not in start:
            return None
        meta_end = _META_START + int(struct.unpack_from("<L", start, _META_START - 4)[0])
        meta = file.read(min(meta_end, len(start)))
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        parts = [meta.replace(_DEFLATED, _EXPLICIT_LITTLE_ENDIAN, 1)]
        while chunk := file.read(1 << 20):
            parts.append(inflater.decompress(chunk, self._left + 1))
            self._left -= len(parts[-1])
            if self._left < 0:
                raise ValueError("deflated data unpack beyond the limit")
        return Source(data=b"".join(parts))
