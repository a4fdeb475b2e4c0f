# SPDX-License-Identifier: Apache-2.0
"""Pixels of all slices decoded in threads, straight into the volume."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

import numpy as np
from libjpeg.utils import decode as decode_jpeg
from numpy.typing import NDArray
from pydicom.encaps import generate_frames, get_frame
from pydicom.pixels.decoders.base import get_decoder

from clients.dicom.codestream import declared_size, fragments_end, has_end
from clients.dicom.rescale import sample_of, significant_bits, to_hu
from clients.dicom.slices import Slice
from clients.dicom.transfer import RETIRED_JPEG, byte_order, is_native
from vcf.cores import cores
from vcf.errors import Code

Progress = Callable[[int, int], None]
"""Called with the number of slices done and of all slices, in the thread that reads."""

SAMPLED_SLICES = 12
_RLE = "1.2.840.10008.1.2.5"
_RLE_MAX_RATIO = 64  # two bytes stand for at most 128


@dataclass
class Decoded:
    """What came of a stack.

    hu
        (slice, row, column); a slice that is missing or failed holds anything.
    failed
        Places whose pixels could not be read, and why.
    sample
        Some values of some slices before clipping, explicit padding left out: for the check of the scale.
    """

    hu: NDArray[np.int16]
    failed: dict[int, Code]
    sample: NDArray[np.float32]


class Unreadable(Exception):
    """The pixels of one slice cannot be used."""

    def __init__(self, code: Code) -> None:
        super().__init__(code)
        self.code = code


def decode(slices: Sequence[Slice | None], progress: Progress | None = None, workers: int | None = None) -> Decoded:
    """Decode all slices that are there; they must agree in rows and columns."""
    places = [i for i, s in enumerate(slices) if s is not None]
    facts = next(s for s in slices if s is not None).facts
    hu = np.empty((len(slices), facts.rows, facts.columns), np.int16)
    frames = _FrameCache([s for s in slices if s is not None])
    sampled = {places[i] for i in np.linspace(0, len(places) - 1, min(SAMPLED_SLICES, len(places))).astype(int)}
    failed: dict[int, Code] = {}
    samples: dict[int, NDArray[np.float32]] = {}

    def one(place: int) -> NDArray[np.float32] | None:
        s = slices[place]
        assert s is not None
        return decode_slice(s, hu[place], frames, place in sampled)

    with ThreadPoolExecutor(workers or cores()) as pool:
        jobs: dict[Future[NDArray[np.float32] | None], int] = {pool.submit(one, place): place for place in places}
        try:
            for done, job in enumerate(as_completed(jobs), 1):
                place = jobs[job]
                try:
                    sample = job.result()
                except Unreadable as unreadable:
                    failed[place] = unreadable.code
                else:
                    if sample is not None:
                        samples[place] = sample
                if progress:
                    progress(done, len(places))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    parts = [samples[place] for place in sorted(samples)]
    return Decoded(hu, failed, np.concatenate(parts) if parts else np.empty(0, np.float32))


def decode_slice(
    s: Slice, out: NDArray[np.int16], frames: "_FrameCache", sampled: bool = False
) -> NDArray[np.float32] | None:
    """Decode a slice into ``out`` (rows, columns) as HU; with ``sampled``, return some values before clipping."""
    try:
        stored = _native(s, out) if is_native(s.facts.transfer_syntax) else _compressed(s, frames)
    except OSError:
        stored = None
    if stored is None or stored.shape != out.shape:
        raise Unreadable(Code.TRUNCATED)
    stored = significant_bits(stored, s)
    values = sample_of(stored, s) if sampled else None
    to_hu(stored, s, out)
    return values


class _FrameCache:
    """The compressed frames of multi-frame files, each file split into frames once."""

    def __init__(self, slices: Sequence[Slice]) -> None:
        self._frames: dict[int, list[bytes]] = {}
        for s in slices:
            if s.frames > 1 and not is_native(s.facts.transfer_syntax) and id(s.source) not in self._frames:
                encapsulated = self._whole(s)
                frames = list(self._split(encapsulated, s.frames))
                self._frames[id(s.source)] = frames if fragments_end(encapsulated) else frames[:-1]

    def __getitem__(self, s: Slice) -> bytes:
        frames = self._frames.get(id(s.source))
        if frames is None:
            encapsulated = _encapsulated(s)
            if not fragments_end(encapsulated):
                raise EOFError
            return get_frame(encapsulated, 0, number_of_frames=1)
        return frames[s.frame]

    @staticmethod
    def _whole(s: Slice) -> bytes:
        try:
            return _encapsulated(s)
        except OSError:  # the file has gone since its header was read
            return b""

    @staticmethod
    def _split(encapsulated: bytes, frames: int) -> Iterator[bytes]:
        try:
            yield from generate_frames(encapsulated, number_of_frames=frames)
        except Exception:  # damaged fragments: the frames before them are kept, the others fail when asked for
            return


def _encapsulated(s: Slice) -> bytes:
    assert s.pixels is not None
    with s.source.open() as file:
        file.seek(s.pixels.offset)
        return file.read()


def _native(s: Slice, out: NDArray[np.int16]) -> NDArray[Any] | None:
    """Pixels as stored; those of 16 bits are read into ``out`` itself. None where the file ends before them."""
    assert s.pixels is not None
    kind = f"{'i' if s.facts.signed else 'u'}{s.facts.bits_allocated // 8}"
    target: NDArray[Any] = out if kind[1:] == "2" else np.empty(out.shape, kind)
    with s.source.open() as file:
        file.seek(s.pixels.offset + s.frame * s.frame_bytes)
        if file.readinto(target.data.cast("B")) != s.frame_bytes:  # type: ignore[attr-defined]
            return None
    if byte_order(s.facts.transfer_syntax) == ">":
        target.byteswap(inplace=True)
    return target.view(kind)


def _compressed(s: Slice, frames: _FrameCache) -> NDArray[Any]:
    """Pixels of an encapsulated frame; Unreadable where it is damaged or no decoder knows it."""
    facts = s.facts
    problem: Code | None = None
    try:
        frame = frames[s]
    except Exception:  # hostile fragments can make pydicom raise anything
        problem = Code.TRUNCATED
    if problem or not _credible(frame, s):
        raise Unreadable(problem or Code.TRUNCATED)
    try:
        pixels = decode_jpeg(frame) if facts.transfer_syntax in RETIRED_JPEG else _decode_with_pydicom(frame, s)
    except NotImplementedError:
        problem = Code.BAD_TRANSFER_SYNTAX
    except Exception:  # as above, and the text of the error may quote the file
        problem = Code.TRUNCATED
    if problem:
        raise Unreadable(problem)
    return np.asarray(pixels)


def _decode_with_pydicom(frame: bytes, s: Slice) -> NDArray[Any]:
    facts = s.facts
    fragment = frame + b"\0" * (len(frame) % 2)
    item = b"\xfe\xff\x00\xe0" + len(fragment).to_bytes(4, "little") + fragment
    options: dict[str, Any] = {
        "rows": facts.rows,
        "columns": facts.columns,
        "number_of_frames": 1,
        "samples_per_pixel": 1,
        "photometric_interpretation": facts.photometric,
        "bits_allocated": facts.bits_allocated,
        "bits_stored": facts.bits_stored,
        "pixel_representation": int(facts.signed),
        "pixel_keyword": "PixelData",
    }
    empty_offset_table = b"\xfe\xff\x00\xe0\0\0\0\0"
    pixels, _ = get_decoder(facts.transfer_syntax).as_array(empty_offset_table + item, index=0, raw=True, **options)
    return pixels


def _credible(frame: bytes, s: Slice) -> bool:
    """Whether a frame is whole and can hold the picture that the header declares."""
    if s.facts.transfer_syntax == _RLE:
        return s.frame_bytes <= _RLE_MAX_RATIO * len(frame)
    return has_end(frame) and declared_size(frame) == (s.facts.rows, s.facts.columns)
