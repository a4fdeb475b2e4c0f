# SPDX-License-Identifier: Apache-2.0
"""Refusal codes and the errors that carry them.

A refusal says that a study will not be analysed and why; it is an answer, not a failure. Its text names what
was found and what would be accepted, and never holds a patient's name, id, date or a raw DICOM UID.
"""

import re
from enum import StrEnum


class Code(StrEnum):
    """Why a study is refused, or, as a flag, what a reader of its findings should know."""

    NOT_CT = "NOT_CT"
    UNSUPPORTED_SOP = "UNSUPPORTED_SOP"
    LOCALIZER = "LOCALIZER"
    DERIVED_IMAGE = "DERIVED_IMAGE"
    PET_CT = "PET_CT"
    LUNG_KERNEL = "LUNG_KERNEL"
    LUNG_WINDOW = "LUNG_WINDOW"
    CARDIAC = "CARDIAC"
    LUMBAR_SPINE_CT = "LUMBAR_SPINE_CT"
    AGE_UNDER_50 = "AGE_UNDER_50"
    AGE_UNKNOWN = "AGE_UNKNOWN"
    TOO_SHORT = "TOO_SHORT"
    TOO_LONG = "TOO_LONG"
    SLICE_TOO_THICK = "SLICE_TOO_THICK"
    THICK_SLICES = "THICK_SLICES"
    MISSING_SLICES = "MISSING_SLICES"
    SLICES_FILLED = "SLICES_FILLED"
    IRREGULAR_SPACING = "IRREGULAR_SPACING"
    DUPLICATE_POSITION = "DUPLICATE_POSITION"
    AMBIGUOUS_SERIES = "AMBIGUOUS_SERIES"
    MIXED_SERIES = "MIXED_SERIES"
    TILT = "TILT"
    TILT_CORRECTED = "TILT_CORRECTED"
    OBLIQUE = "OBLIQUE"
    NO_GEOMETRY = "NO_GEOMETRY"
    NO_RESCALE = "NO_RESCALE"
    BAD_HU = "BAD_HU"
    BURNED_IN = "BURNED_IN"
    BAD_TRANSFER_SYNTAX = "BAD_TRANSFER_SYNTAX"
    TRUNCATED = "TRUNCATED"
    NOT_DICOM = "NOT_DICOM"
    NO_IMAGES = "NO_IMAGES"
    LOSSY = "LOSSY"
    METAL = "METAL"
    SPINE_NOT_FOUND = "SPINE_NOT_FOUND"
    CANAL_INTERPOLATED = "CANAL_INTERPOLATED"
    CANAL_EXTRAPOLATED = "CANAL_EXTRAPOLATED"
    SPINE_SHORTENED = "SPINE_SHORTENED"
    BAD_INPUT = "BAD_INPUT"


class VcfError(Exception):
    """Base of every error that the product raises on purpose. ``code`` is for programs, ``str()`` for people."""

    code: str = "FAILED"


class StudyRefused(VcfError):
    """The study cannot or must not be analysed. ``code`` says why; ``str()`` is ``CODE: sentence``."""

    code: Code

    def __init__(self, code: Code, sentence: str) -> None:
        super().__init__(f"{code}: {sentence}")
        self.code = code
        self.sentence = sentence

    def __reduce__(self) -> tuple[type["StudyRefused"], tuple[Code, str]]:
        """So that it reaches another process: by itself an exception is made anew from its text alone."""
        return type(self), (self.code, self.sentence)

    @classmethod
    def find(cls, text: str) -> "StudyRefused | None":
        """Recover a refusal from a server's error text, which wraps ``CODE: sentence`` in words of its own."""
        for match in re.finditer(r"\b([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*): ([^\n]*)", text):
            if match[1] in Code.__members__:
                return cls(Code(match[1]), match[2].strip())
        return None


class ServerUnavailable(VcfError):
    """No server answers at the address, it is not ready, or the connection was lost."""

    code = "SERVER_UNAVAILABLE"


class Overloaded(ServerUnavailable):
    """The server is there and has no room for another study now: its queue is full."""

    code = "OVERLOADED"


class NotTrusted(ServerUnavailable):
    """No secure connection: client and server do not accept each other's certificates."""

    code = "NOT_TRUSTED"


class AccessDenied(ServerUnavailable):
    """The server asks for an API key, and none or another one was sent."""

    code = "ACCESS_DENIED"


class ServerFailed(VcfError):
    """The server answered with an error that is no refusal of the study."""

    code = "SERVER_FAILED"


class DeadlineExceeded(VcfError):
    """The answer did not come within the deadline."""

    CODE = "DEADLINE_EXCEEDED"
    """How the server's text begins when it stops working on a study for that reason."""
    code = CODE


class SetupError(VcfError):
    """Something on this machine is missing or taken; the sentence names the fix."""

    code = "SETUP"


class UsageError(VcfError):
    """A command was given a value that it does not take."""

    code = "USAGE"
