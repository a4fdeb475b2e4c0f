# SPDX-License-Identifier: Apache-2.0
"""Pixels of all slices decoded in threads, straight into the volume."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from libjpeg.utils import decode as decode_jpeg
from numpy.typing import NDArray
from pydicom.encaps import generate_fragments, generate_frames, get_frame, parse_basic_offsets
from pydicom.pixels.decoders.base import get_decoder

from vcf_client.dicom.codestream import declared_format, declared_size, fragments_end, tiles, whole
from vcf_client.dicom.rescale import sample_of, significant_bits, to_hu
from vcf_client.dicom.slices import Slice
from vcf_client.dicom.transfer import RETIRED_JPEG, byte_order, is_native
from vcf_client.unpacking import refuse_bomb
from vcf_contract.errors import Code
from vcf_preprocess.cores import cores

Progress = Callable[[int, int], None]
"""A function that is called with the number of slices done and of all slices, in the thread that reads."""

SAMPLED_SLICES = 12
_RLE = "1.2.840.10008.1.2.5"
_EMPTY_OFFSETS_BYTES = 8
"""An item without content: no Basic Offset Table."""
_MOST_TILES = 4096
"""Of a JPEG 2000 frame, which has one or a few. It could have 65535, and a decoder keeps kilobytes for each."""
_RLE_MAX_RATIO = 64  # two bytes stand for at most 128


@dataclass
class Decoded:
    """The pixels of a stack, and what went wrong with them.

    hu
        (slice, row, column); a slice that is missing or failed holds anything.
    failed
        Places whose pixels could not be read, and why.
    differing
        Whether a code stream and its header disagree on the sign or depth of values that are there.
    sample
        Some values of some slices before clipping, explicit padding left out: for the check of the scale.
    """

    hu: NDArray[np.int16]
    failed: dict[int, Code]
    differing: bool
    sample: NDArray[np.float32]


class Unreadable(Exception):
    """The pixels of one slice cannot be used."""

    def __init__(self, code: Code) -> None:
        super().__init__(code)
        self.code = code


def decode(slices: Sequence[Slice | None], progress: Progress | None = None, workers: int | None = None) -> Decoded:
    """Decode all slices that are there; they must agree in rows and columns.

    Raises StudyRefused with ``TOO_LARGE`` if compressed ones would come to far more than they weigh.
    """
    places = [i for i, s in enumerate(slices) if s is not None]
    facts = next(s for s in slices if s is not None).facts
    _refuse_bomb([s for s in slices if s is not None])
    hu = np.empty((len(slices), facts.rows, facts.columns), np.int16)
    frames = _FrameCache([s for s in slices if s is not None])
    sampled = {places[i] for i in np.linspace(0, len(places) - 1, min(SAMPLED_SLICES, len(places))).astype(int)}
    failed: dict[int, Code] = {}
    samples: dict[int, NDArray[np.float32]] = {}

    differing = False

    def one(place: int) -> _Done:
        s = slices[place]
        assert s is not None
        return decode_slice(s, hu[place], frames, place in sampled)

    with ThreadPoolExecutor(workers or cores()) as pool:
        jobs: dict[Future[_Done], int] = {pool.submit(one, place): place for place in places}
        try:
            for done, job in enumerate(as_completed(jobs), 1):
                place = jobs[job]
                try:
                    slice_done = job.result()
                except Unreadable as unreadable:
                    failed[place] = unreadable.code
                else:
                    differing |= slice_done.differs
                    if slice_done.sample is not None:
                        samples[place] = slice_done.sample
                if progress:
                    progress(done, len(places))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    parts = [samples[place] for place in sorted(samples)]
    return Decoded(hu, failed, differing, np.concatenate(parts) if parts else np.empty(0, np.float32))


def _refuse_bomb(slices: Sequence[Slice]) -> None:
    compressed = [s for s in slices if not is_native(s.facts.transfer_syntax)]
    packed = {id(s.source): s.source.size for s in compressed}
    refuse_bomb(sum(packed.values()), sum(s.frame_bytes for s in compressed))


@dataclass(frozen=True)
class _Done:
    """Facts that decoding a slice tells beside its pixels; ``sample`` and ``differs`` as in `Decoded`."""

    sample: NDArray[np.float32] | None
    differs: bool


def decode_slice(s: Slice, out: NDArray[np.int16], frames: "_FrameCache", sampled: bool = False) -> _Done:
    """Decode a slice into ``out`` (rows, columns) as HU; with ``sampled``, keep some values before clipping."""
    differs = False
    try:
        if is_native(s.facts.transfer_syntax):
            stored = _native(s, out)
        else:
            stored, s, differs = _compressed(s, frames)
    except OSError:
        stored = None
    if stored is None or stored.shape != out.shape:
        raise Unreadable(Code.TRUNCATED)
    stored = significant_bits(stored, s)
    values = sample_of(stored, s) if sampled else None
    to_hu(stored, s, out)
    return _Done(values, differs)


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
            if parse_basic_offsets(encapsulated):
                yield from generate_frames(encapsulated, number_of_frames=frames)
            else:
                yield from _joined(list(generate_fragments(encapsulated[_EMPTY_OFFSETS_BYTES:])), frames)
        except Exception:  # damaged fragments: the frames before them are kept, the others fail when asked for
            return


def _encapsulated(s: Slice) -> bytes:
    assert s.pixels is not None
    with s.source.open() as file:
        file.seek(s.pixels.offset)
        return file.read()


def _joined(fragments: list[bytes], frames: int) -> Iterator[bytes]:
    """Frames of one or more fragments each, which end where their code streams do."""
    if len(fragments) == frames:
        yield from fragments
        return
    frame = b""
    for fragment in fragments:
        frame += fragment
        if frame[:2] == b"\xff\xd8" and whole(frame) is None:
            continue
        if declared_size(frame) and whole(frame) is None:
            continue
        yield frame
        frame = b""


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


def _compressed(s: Slice, frames: _FrameCache) -> tuple[NDArray[Any], Slice, bool]:
    """Pixels of an encapsulated frame, the slice as the code stream has it, whether its header says something else.

    Unreadable where the frame is damaged or no decoder knows it.
    """
    problem: Code | None = None
    frame: bytes | None = None
    try:
        frame = whole(frames[s])
    except Exception:  # hostile fragments can make pydicom raise anything
        frame = None
    if frame is None or not _credible(frame, s):
        raise Unreadable(Code.TRUNCATED)
    syntax = s.facts.transfer_syntax
    own = _as_encoded(frame, s)
    try:
        pixels = np.asarray(decode_jpeg(frame) if syntax in RETIRED_JPEG else _decode_with_pydicom(frame, own))
    except NotImplementedError:
        problem = Code.BAD_TRANSFER_SYNTAX
    except Exception:  # as above, and the text of the error may quote the file
        problem = Code.TRUNCATED
    if problem:
        raise Unreadable(problem)
    return pixels, own, _differs(frame, pixels, s)


def _as_encoded(frame: bytes, s: Slice) -> Slice:
    """The slice with the sign and depth of its JPEG 2000 code stream where the header has others (T.800 A.5.1).

    Where they agree in depth alone, the header has the sign: encoders that know no sign pass bits on as they are.
    """
    found = declared_format(frame)
    facts = s.facts
    if found is None or found.signed is None or found.bits == facts.bits_stored or found.bits > 32:
        return s
    return replace(s, facts=replace(facts, bits_stored=found.bits, high_bit=found.bits - 1, signed=found.signed))


def _differs(frame: bytes, pixels: NDArray[Any], s: Slice) -> bool:
    """Return whether the header would have other values read than the code stream, or the other way round."""
    found, facts = declared_format(frame), s.facts
    if found is None or (found.bits == facts.bits_stored and found.signed in (None, facts.signed)):
        return False
    low, high = int(pixels.min()), int(pixels.max())
    if found.signed is None:
        return facts.signed and low < 0
    if found.bits == facts.bits_stored:  # the header's sign was taken
        return low < 0 or high >= 1 << found.bits - 1
    limit = 1 << facts.bits_stored - facts.signed
    return high >= limit or low < (-limit if facts.signed else 0)


def _decode_with_pydicom(frame: bytes, s: Slice) -> NDArray[Any]:
    facts = s.facts
    item = b"\xfe\xff\x00\xe0" + len(frame).to_bytes(4, "little") + frame
    allocated = facts.bits_allocated if facts.bits_stored <= facts.bits_allocated else 8 * -(-facts.bits_stored // 8)
    options: dict[str, Any] = {
        "rows": facts.rows,
        "columns": facts.columns,
        "number_of_frames": 1,
        "samples_per_pixel": 1,
        "photometric_interpretation": facts.photometric or "MONOCHROME2",
        "bits_allocated": allocated,
        "bits_stored": facts.bits_stored,
        "pixel_representation": int(facts.signed),
        "pixel_keyword": "PixelData",
    }
    empty_offset_table = b"\xfe\xff\x00\xe0\0\0\0\0"
    pixels, _ = get_decoder(facts.transfer_syntax).as_array(empty_offset_table + item, index=0, raw=True, **options)
    return pixels


def _credible(frame: bytes, s: Slice) -> bool:
    """Return whether a frame can hold the picture that the header declares."""
    if s.facts.transfer_syntax == _RLE:
        return s.frame_bytes <= _RLE_MAX_RATIO * len(frame)
    return declared_size(frame) == (s.facts.rows, s.facts.columns) and tiles(frame) <= _MOST_TILES
