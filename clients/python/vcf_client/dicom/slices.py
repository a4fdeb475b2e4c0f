# SPDX-License-Identifier: Apache-2.0
"""Slices as a reader knows them before any pixel is decoded."""

from dataclasses import dataclass, field

from vcf_client.dicom.files import Source
from vcf_contract.errors import Code

MODALITY_CT = "CT"


@dataclass(frozen=True)
class Facts:
    """Facts that the slices of a series share. Identifying values are kept out of ``repr``.

    words
        Series and protocol description, study description, contrast-free: lower case, words apart by one space.
    age_years
        PatientAge, else study date minus birth date; None where neither is credible.
    """

    sop_class: str
    modality: str
    image_type: tuple[str, ...]
    series_uid: str = field(repr=False)
    study_uid: str = field(repr=False)
    patient: bytes = field(repr=False)
    frame_of_reference: str = field(repr=False)
    transfer_syntax: str
    rows: int
    columns: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    samples: int
    photometric: str
    kernel: str = field(repr=False)
    manufacturer: str = field(repr=False)
    scanner: str = field(repr=False)
    body_part: str = field(repr=False)
    words: str = field(repr=False)
    study_words: str = field(repr=False)
    age_years: float | None = field(repr=False)
    burned_in: bool
    lossy: bool
    lung_window: bool
    ecg_gated: bool


@dataclass(frozen=True)
class Pixels:
    """Place of the pixel data in a file. ``length`` is None for encapsulated data, whose end is not declared."""

    offset: int
    length: int | None


@dataclass(frozen=True)
class Slice:
    """One frame. Lengths in mm, patient LPS; a value that is absent or unreadable is None or empty.

    pixel_spacing_mm
        Between rows, between columns, as PixelSpacing has it (DICOM PS3.3 section 10.7.1.3).
    padding
        Stored values from and to which a pixel is padding, both included.
    damage
        Why the pixels cannot be used, as far as the header and the file's size tell.
    """

    facts: Facts
    source: Source
    pixels: Pixels | None
    frame: int = 0
    frames: int = 1
    sop_uid: str = field(default="", repr=False)
    position_mm: tuple[float, float, float] | None = None
    orientation: tuple[float, ...] = ()
    pixel_spacing_mm: tuple[float, float] | None = None
    thickness_mm: float | None = None
    slope: float | None = None
    intercept: float | None = None
    rescale_type: str = ""
    padding: tuple[int, int] | None = None
    acquisition: int | None = None
    temporal: int | None = None
    damage: Code | None = None

    @property
    def has_geometry(self) -> bool:
        """Tell whether its place in the patient is known."""
        return self.position_mm is not None and len(self.orientation) == 6 and self.pixel_spacing_mm is not None

    @property
    def frame_bytes(self) -> int:
        """Size of the frame when it is not compressed."""
        return self.facts.rows * self.facts.columns * self.facts.samples * self.facts.bits_allocated // 8
