# SPDX-License-Identifier: Apache-2.0
"""One file's header to its slices, without its pixels (DICOM PS3.3 section C.8.2 and C.8.15, PS3.10)."""

import io
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from typing import BinaryIO

from pydicom.filereader import data_element_generator, read_partial
from pydicom.tag import BaseTag

from vcf_client.dicom.deflated import Inflater
from vcf_client.dicom.elements import Elements
from vcf_client.dicom.exclusions import CT_CLASSES
from vcf_client.dicom.files import Source
from vcf_client.dicom.multiframe import frames_of
from vcf_client.dicom.slices import Facts, Pixels, Slice
from vcf_client.dicom.steps import Steps
from vcf_client.dicom.tags import SHARED_TAGS, SLICE_TAGS, Tag
from vcf_client.dicom.transfer import ALWAYS_LOSSY, is_native
from vcf_contract.errors import Code, StudyRefused

_IMPLICIT, _EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
_COMPRESSED = re.compile(r"1\.2\.840\.10008\.1\.2\.(4\.(?!95$|205$)\d+|5)")
"""JPEG and its relatives, and run lengths: their elements are explicit (PS3.5 section A.4). Two are deflated."""
_TAGS: list[BaseTag | int] = [*SHARED_TAGS, *SLICE_TAGS]
_LAST_META_TAG = 0x0002FFFF
_FIRST_PIXEL_TAG = 0x7FE00008  # float pixels; before it lie the group's length and offset tables
_MAX_ELEMENTS = 100_000
"""Limits the top level; a real header has a few hundred. It keeps a hostile file from being parsed for minutes."""
_HEAD_BYTES = 1 << 16
"""Most headers end before; a parser that steps through them is twice as fast in memory as in a file."""


@dataclass(frozen=True)
class FileSetDirectory:
    """A DICOMDIR: the file ids of its images, each a tuple of path components."""

    file_ids: list[tuple[str, ...]]


class Damaged(Exception):
    """The file claims to be DICOM but its header cannot be read."""


class HeaderReader:
    """Reads headers of one study: what slices share is converted once, the first time it is seen."""

    def __init__(self) -> None:
        self._facts: dict[tuple[bytes, ...], Facts] = {}
        self._inflater = Inflater()
        self._steps = Steps()

    def read(self, source: Source) -> list[Slice] | FileSetDirectory:
        """The slices of a file, one a frame; Damaged where there is no readable data set in it."""
        try:
            with source.open() as file:
                if plain := self._inflater.plain(file):
                    source = plain
                if plain:
                    parsed = _parse(self._steps.counted(io.BytesIO(plain.data), plain.size))
                else:
                    parsed = _parse_head(file, source.size, self._steps)
                elements, syntax, pixels = parsed
        except StudyRefused:  # it is too large, and so is the study
            raise
        except Exception as error:  # a hostile header can make pydicom raise anything, and its text quotes values
            kind = type(error).__name__
        else:
            kind = ""
        self._steps.check()
        if kind:
            raise Damaged(kind)
        if Tag.DirectoryRecordSequence in elements:
            return FileSetDirectory(_file_ids(elements))
        facts = self._facts_of(elements, syntax)
        picture = pixels and facts.rows and facts.columns
        if not facts.modality and facts.sop_class not in CT_CLASSES and not picture:
            # What is no image has a modality, too: the header was cut off before it, or is no longer one.
            raise Damaged("neither modality nor picture")
        first = _slice(facts, source, pixels, elements)
        slices = frames_of(first, elements)
        if slices is None:
            alone = first.frames == 1
            slices = [first if alone else replace(first, damage=Code.UNSUPPORTED_SOP)]
        return [_with_damage(s) for s in slices]

    def _facts_of(self, elements: Elements, syntax: str) -> Facts:
        key = (syntax.encode(), *(elements.raw(tag) for tag in SHARED_TAGS))
        if key not in self._facts:
            self._facts[key] = _facts(elements, syntax)
        return self._facts[key]


_Parsed = tuple[Elements, str, Pixels | None]
"""Top-level elements up to the pixel data, the transfer syntax, and where the pixel data lie."""


def _parse_head(file: BinaryIO, size: int, steps: Steps) -> _Parsed:
    """`_parse` of the file's beginning if the pixel data begins there, otherwise of the file."""
    head = file.read(_HEAD_BYTES)
    with suppress(Exception):  # cut off in the middle of an element, it may be anything to the parser
        if parsed := _parse_usual(head):
            return parsed
    if len(head) == _HEAD_BYTES:
        with suppress(Exception):
            parsed = _parse(steps.counted(io.BytesIO(head), 0))
            if parsed[2]:
                return parsed
        file.seek(0)
        return _parse(steps.counted(file, size))
    return _parse(steps.counted(io.BytesIO(head), size))


def _parse_usual(head: bytes) -> _Parsed | None:
    """Return what `_parse` finds, in half of its time: without pydicom's data sets, of which it makes five a file.

    None for a file without preamble, meta information or pixel data, or whose elements are not what its transfer syntax
    says. Those have more to be looked at.
    """
    if head[128:132] != b"DICM":
        return None
    stream = io.BytesIO(head)
    stream.seek(132)
    meta = data_element_generator(stream, False, True, _after_meta, specific_tags=[Tag.TransferSyntaxUID])
    syntax = Elements.of(meta).text(Tag.TransferSyntaxUID)
    at = stream.tell()
    implicit = syntax == _IMPLICIT
    vr = head[at + 4 : at + 6]
    usual = implicit or syntax == _EXPLICIT or _COMPRESSED.fullmatch(syntax)
    if not usual or (vr.isalpha() and vr.isupper()) == implicit:
        return None
    watch = _PixelWatch(stream)
    found = data_element_generator(stream, implicit, True, watch, specific_tags=_TAGS)
    elements = Elements.of(found)
    return (elements, syntax, watch.pixels) if watch.pixels else None


def _after_meta(tag: BaseTag, _vr: str | None, _length: int) -> bool:
    return int(tag) > _LAST_META_TAG


def _parse(file: BinaryIO) -> _Parsed:
    _refuse_command_set(file)
    watch = _PixelWatch(file)
    dataset = read_partial(file, stop_when=watch, force=True, specific_tags=_TAGS)
    syntax = str(dataset.file_meta.get("TransferSyntaxUID", "") or "")
    if not syntax:
        syntax = _IMPLICIT if dataset.original_encoding[0] else _EXPLICIT
    return Elements.of(dataset.values()), syntax, watch.pixels


def _refuse_command_set(file: BinaryIO) -> None:
    """Group 0000 is for messages (PS3.7 section 9.3), and pydicom reads as much of it as there is: zeros are that."""
    start = file.read(136)
    file.seek(0)
    if start[128:132] == b"DICM" and start[132:134] == b"\0\0":
        raise Damaged("a command set")


class _PixelWatch:
    """Stops a parser at the pixel data and keeps where they lie; or after far too many elements."""

    def __init__(self, file: BinaryIO) -> None:
        self.pixels: Pixels | None = None
        self._file = file
        self._count = 0

    def __call__(self, tag: BaseTag, _vr: str | None, length: int) -> bool:
        self._count += 1
        number = int(tag)  # pydicom compares tags in Python
        if number == Tag.PixelData and self.pixels is None:
            self.pixels = Pixels(self._file.tell(), None if length == 0xFFFFFFFF else length)
        return number >= _FIRST_PIXEL_TAG or self._count > _MAX_ELEMENTS


def _file_ids(elements: Elements) -> list[tuple[str, ...]]:
    return [
        record.texts(Tag.ReferencedFileID)
        for record in elements.items(Tag.DirectoryRecordSequence)
        if record.text(Tag.DirectoryRecordType) == "IMAGE"
    ]


def _facts(e: Elements, syntax: str) -> Facts:
    series = " ".join((e.text(Tag.SeriesDescription), e.text(Tag.ProtocolName)))
    stored = e.unsigned(Tag.BitsStored) or 16
    return Facts(
        sop_class=e.text(Tag.SOPClassUID),
        modality=e.text(Tag.Modality).upper(),
        image_type=tuple(part.upper() for part in e.texts(Tag.ImageType)),
        series_uid=e.text(Tag.SeriesInstanceUID),
        study_uid=e.text(Tag.StudyInstanceUID),
        patient=e.raw(Tag.PatientID).strip(),
        frame_of_reference=e.text(Tag.FrameOfReferenceUID),
        transfer_syntax=syntax,
        rows=e.unsigned(Tag.Rows) or 0,
        columns=e.unsigned(Tag.Columns) or 0,
        bits_allocated=e.unsigned(Tag.BitsAllocated) or 0,
        bits_stored=stored,
        high_bit=_or(e.unsigned(Tag.HighBit), stored - 1),
        signed=e.unsigned(Tag.PixelRepresentation) == 1,
        samples=e.unsigned(Tag.SamplesPerPixel) or 1,
        photometric=e.text(Tag.PhotometricInterpretation).upper(),
        kernel=(e.texts(Tag.ConvolutionKernel) or ("",))[0],
        manufacturer=e.text(Tag.Manufacturer).upper(),
        scanner=e.text(Tag.ManufacturerModelName).upper(),
        body_part=e.text(Tag.BodyPartExamined).upper(),
        words=words(series),
        study_words=words(e.text(Tag.StudyDescription)),
        age_years=age_years(e.text(Tag.PatientAge), e.text(Tag.StudyDate), e.text(Tag.PatientBirthDate)),
        burned_in=e.text(Tag.BurnedInAnnotation).upper() == "YES",
        lossy=e.text(Tag.LossyImageCompression) == "01" or syntax in ALWAYS_LOSSY,
        lung_window=_lung_window(e),
        ecg_gated=_ecg_gated(e),
    )


def _or(value: int | None, otherwise: int) -> int:
    return otherwise if value is None else value


def words(text: str) -> str:
    """Lower case, everything but letters and digits turned to single spaces."""
    return re.sub(r"[^a-z0-9]+", " ", text.lower()).strip()


def age_years(age: str, study_date: str, birth_date: str) -> float | None:
    """PatientAge (``058Y``, ``018M``, …), else the time from birth to study.

    Zero years stands for an age that was removed (infants are given in days, weeks or months); so does an age
    over 120, which comes from dates that were replaced.
    """
    years: float | None = None
    if match := re.fullmatch(r"(\d{1,4})\s*([DWMY])", age.strip().upper()):
        years = int(match[1]) / {"D": 365.25, "W": 52.18, "M": 12.0, "Y": 1.0}[match[2]]
    else:
        days = [_day(text) for text in (study_date, birth_date)]
        if days[0] and days[1]:
            years = (days[0] - days[1]).days / 365.25
    return years if years is not None and 0 < years <= 120 else None


def _day(text: str) -> date | None:
    digits = text.replace(".", "")
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8])) if len(digits) == 8 else None
    except ValueError:
        return None


def _lung_window(e: Elements) -> bool:
    centre, width = e.number(Tag.WindowCenter), e.number(Tag.WindowWidth)
    return centre is not None and width is not None and centre <= -300 and width >= 800


def _ecg_gated(e: Elements) -> bool:
    technique = e.text(Tag.CardiacSynchronizationTechnique).upper()
    options = words(e.text(Tag.ScanOptions)).split()
    return technique not in ("", "NONE") or any(o in ("cardiac", "ecg", "gated") for o in options)


def _slice(facts: Facts, source: Source, pixels: Pixels | None, e: Elements) -> Slice:
    return Slice(
        facts=facts,
        source=source,
        pixels=pixels,
        frames=max(1, e.integer(Tag.NumberOfFrames) or 1),
        sop_uid=e.text(Tag.SOPInstanceUID),
        position_mm=e.position_mm(Tag.ImagePositionPatient),
        orientation=e.numbers(Tag.ImageOrientationPatient),
        pixel_spacing_mm=e.spacing_mm(Tag.PixelSpacing),
        thickness_mm=e.number(Tag.SliceThickness),
        slope=e.number(Tag.RescaleSlope),
        intercept=e.number(Tag.RescaleIntercept),
        rescale_type=e.text(Tag.RescaleType).upper(),
        padding=_padding(e, facts.signed),
        acquisition=e.integer(Tag.AcquisitionNumber),
        temporal=e.integer(Tag.TemporalPositionIdentifier),
    )


def _padding(e: Elements, signed: bool) -> tuple[int, int] | None:
    """PixelPaddingValue and its range limit, in order (PS3.3 section C.7.5.1.1.2), whatever sign their VR gave them."""
    value = e.unsigned(Tag.PixelPaddingValue)
    if value is None:
        return None
    limit = _or(e.unsigned(Tag.PixelPaddingRangeLimit), value)
    if signed:
        value, limit = ((v + 0x8000) % 0x10000 - 0x8000 for v in (value, limit))
    return min(value, limit), max(value, limit)


def _with_damage(s: Slice) -> Slice:
    """Say so when the file is too small for the pixels that its header declares; nothing is allocated for it."""
    if s.damage:
        return s
    cut_off = s.pixels is None or s.facts.rows == 0 or s.facts.columns == 0
    if s.pixels and is_native(s.facts.transfer_syntax):
        end = (s.frame + 1) * s.frame_bytes
        declared = s.pixels.length or 0
        needed = end if s.frames > 1 else max(end, declared)  # of several frames, those before a cut are whole
        cut_off |= declared < end or s.source.size < s.pixels.offset + needed
    return replace(s, damage=Code.TRUNCATED) if cut_off else s
