# SPDX-License-Identifier: Apache-2.0
"""Deflated files (DICOM PS3.5 section A.5) unpacked within a limit, which pydicom's own unpacking has not."""

import struct
import zlib
from typing import BinaryIO

from vcf_client.dicom.files import Source
from vcf_client.unpacking import MAX_FILE_BYTES, Allowance, too_large

_DEFLATED = b"1.2.840.10008.1.2.1.99"
_EXPLICIT_LITTLE_ENDIAN = b"1.2.840.10008.1.2.1".ljust(len(_DEFLATED), b"\0")
_META_START = 144
"""Preamble, prefix and the group length element, which says where the file meta information ends (PS3.10)."""


class Inflater:
    """Unpacks the deflated files of one study, as far as they are allowed to."""

    def __init__(self, allowance: Allowance | None = None, file_bytes: int = MAX_FILE_BYTES) -> None:
        self._allowance = allowance or Allowance()
        self._file_bytes = file_bytes

    def plain(self, file: BinaryIO) -> Source | None:
        """A deflated file as explicit little endian; None for any other, which is left at its start.

        Raises StudyRefused with ``TOO_LARGE`` beyond what is allowed, and EOFError where the stream has no end: it was
        cut off.
        """
        start = file.read(1024)
        file.seek(0)
        if start[128:132] != b"DICM" or _DEFLATED not in start:
            return None
        meta_end = _META_START + int(struct.unpack_from("<L", start, _META_START - 4)[0])
        meta = file.read(min(meta_end, len(start)))
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        parts = [meta.replace(_DEFLATED, _EXPLICIT_LITTLE_ENDIAN, 1)]
        size = packed = 0
        while chunk := file.read(1 << 20):
            self._allowance.sent(len(chunk))
            most = min(self._allowance.left, self._file_bytes - size)
            parts.append(inflater.decompress(chunk, most + 1))
            size, packed = size + len(parts[-1]), packed + len(chunk)
            if size > self._file_bytes:
                raise too_large(size, packed, self._file_bytes)
            self._allowance.take(len(parts[-1]))
        if not inflater.eof:
            raise EOFError("the deflated data set ends before its end")
        return Source(data=b"".join(parts))
