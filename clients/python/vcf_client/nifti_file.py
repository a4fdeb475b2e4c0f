# SPDX-License-Identifier: Apache-2.0
"""A NIfTI-1 or -2 file, plain or gzipped: its header, then its voxels, and nothing beside them.

A gzip stream carries a checksum and a length (RFC 1952), which are only looked at by who reads to its end.
"""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header
from nibabel.volumeutils import apply_read_scaling
from numpy.typing import NDArray

from vcf_contract.errors import Code, StudyRefused

_GZIP = b"\x1f\x8b"
_HEADERS = {348: Nifti1Header, 540: Nifti2Header}
_HEADER_BYTES = max(_HEADERS)
_CHUNK_BYTES = 1 << 20


@dataclass
class NiftiFile:
    """An open file. Whatever is wrong with it is raised as StudyRefused, by any method.

    header
        Of nibabel.
    """

    header: Any
    _stream: BinaryIO
    _start: bytes

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of all axes, fastest first, without those of one at the end beyond the third."""
        shape = tuple(int(n) for n in self.header.get_data_shape())
        while len(shape) > 3 and shape[-1] == 1:
            shape = shape[:-1]
        return shape

    @property
    def voxel_bytes(self) -> int:
        """Tell what the voxels take as they are stored."""
        return int(np.prod(self.shape, dtype=object)) * int(self.header.get_data_dtype().itemsize)

    def planes(self) -> Iterator[NDArray[Any]]:
        """The voxels of one place along the last axis after the other, as the header scales them; to be called once.

        Nothing beside one plane is held: stored as float64, a volume takes four times what it does as a study.

        Raises
        ------
        StudyRefused
            ``TRUNCATED`` if the file ends before its voxels do; ``DAMAGED`` if its checksum or length is another, or
            if something follows the voxels. Zero bytes, fewer than a slice, are a writer's padding.
        """
        dtype, (*plane, count) = self.header.get_data_dtype(), self.shape
        size = self.voxel_bytes
        slope, inter = self._scaling()
        with _refusing():
            self._skip_to(int(self.header.get_data_offset()))
        for number in range(count):
            held = bytearray(size // count)
            with _refusing():
                got = self._fill(held)
            if got < len(held):
                share = (number * len(held) + got) / max(1, size)
                raise StudyRefused(
                    Code.TRUNCATED, f"the file ends after {share:.0%} of its voxels; a whole file is accepted"
                )
            stored = np.frombuffer(held, dtype).reshape(plane, order="F")
            yield stored if slope is None else apply_read_scaling(stored, slope, inter)
        slice_bytes = max(1, size // max(self.shape))
        with _refusing():
            rest = self._start[:slice_bytes] + self._stream.read(slice_bytes)
        if len(rest) >= slice_bytes or any(rest):
            raise StudyRefused(
                Code.DAMAGED, "the file holds more than the voxels that its header declares; just these are accepted"
            )

    def _scaling(self) -> tuple[float | None, float | None]:
        scaling: tuple[float | None, float | None] | None = None
        try:
            scaling = self.header.get_slope_inter()
        except Exception:  # slope without intercept, or one that is no number
            scaling = None
        if scaling is None:
            raise StudyRefused(Code.NO_RESCALE, "scl_slope and scl_inter are no numbers; numbers are accepted")
        return scaling

    def _skip_to(self, offset: int) -> None:
        """Extensions lie between header and voxels."""
        ahead = offset - len(self._start)
        self._start = self._start[offset:] if ahead < 0 else b""
        while ahead > 0 and (skipped := self._stream.read(min(ahead, _CHUNK_BYTES))):
            ahead -= len(skipped)

    def _fill(self, held: bytearray) -> int:
        view = memoryview(held)
        got = min(len(self._start), len(held))
        view[:got], self._start = self._start[:got], self._start[got:]
        while got < len(held) and (count := self._stream.readinto(view[got : got + _CHUNK_BYTES])):  # type: ignore[attr-defined]
            got += count
        return got


@contextmanager
def open_nifti(path: Path) -> Iterator[NiftiFile]:
    """Open a file and read its header.

    Raises
    ------
    StudyRefused
        ``NOT_DICOM`` if there is no NIfTI header; ``DAMAGED`` or ``TRUNCATED`` if the gzip stream is so already.
    """
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP
        file.seek(0)
        stream: Any = gzip.GzipFile(fileobj=file) if packed else file
        with _refusing():
            start = stream.read(_HEADER_BYTES)
        yield NiftiFile(_header(start), stream, start)


def _header(start: bytes) -> Any:
    header: Any = None
    sizes = {int.from_bytes(start[:4], order) for order in ("little", "big")}
    size, kind = next(((size, kind) for size, kind in _HEADERS.items() if size in sizes), (0, None))
    try:
        header = kind(start[:size]) if kind else None  # extensions follow it, which may be long and are not needed
    except Exception:  # a damaged header can make nibabel raise anything
        header = None
    if header is None or not bytes(header["magic"]).startswith(b"n+"):
        raise StudyRefused(Code.NOT_DICOM, "the file is neither DICOM nor readable NIfTI; one of them is accepted")
    return header


@contextmanager
def _refusing() -> Iterator[None]:
    """Errors of a damaged stream as refusals."""
    refusal: StudyRefused | None = None
    try:
        yield
    except EOFError:
        refusal = StudyRefused(Code.TRUNCATED, "the gzip stream ends before its data do; a whole file is accepted")
    except (gzip.BadGzipFile, zlib.error):
        refusal = StudyRefused(
            Code.DAMAGED, "the gzip stream does not match its checksum or length; an undamaged file is accepted"
        )
    except OSError:
        refusal = StudyRefused(Code.NO_IMAGES, "the file can no longer be read; a readable one is accepted")
    if refusal:
        raise refusal
