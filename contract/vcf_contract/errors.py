# SPDX-License-Identifier: Apache-2.0
"""Refusal codes and the errors that carry them.

A refusal says that a study will not be analysed and why; it is an answer, not a failure. Its text names what
was found and what would be accepted, and never holds a patient's name, id, date or a raw DICOM UID.
"""

import re
from enum import StrEnum


class Code(StrEnum):
    """Reason why a study is refused, or, as a flag, what a reader of its findings should know."""

    NOT_CT = "NOT_CT"
    UNSUPPORTED_SOP = "UNSUPPORTED_SOP"
    LOCALIZER = "LOCALIZER"
    DERIVED_IMAGE = "DERIVED_IMAGE"
    PET_CT = "PET_CT"
    LUNG_KERNEL = "LUNG_KERNEL"
    LUNG_WINDOW = "LUNG_WINDOW"
    CARDIAC = "CARDIAC"
    LUMBAR_SPINE_CT = "LUMBAR_SPINE_CT"
    SMALL_FIELD_OF_VIEW = "SMALL_FIELD_OF_VIEW"
    AGE_UNDER_50 = "AGE_UNDER_50"
    AGE_UNKNOWN = "AGE_UNKNOWN"
    TOO_SHORT = "TOO_SHORT"
    TOO_LONG = "TOO_LONG"
    TOO_LARGE = "TOO_LARGE"
    SLICE_TOO_THICK = "SLICE_TOO_THICK"
    THICK_SLICES = "THICK_SLICES"
    MISSING_SLICES = "MISSING_SLICES"
    SLICES_FILLED = "SLICES_FILLED"
    BLANK_SLICES = "BLANK_SLICES"
    IRREGULAR_SPACING = "IRREGULAR_SPACING"
    DUPLICATE_POSITION = "DUPLICATE_POSITION"
    AMBIGUOUS_SERIES = "AMBIGUOUS_SERIES"
    MIXED_SERIES = "MIXED_SERIES"
    FRAMES_DIFFER = "FRAMES_DIFFER"
    REPEATED_UIDS = "REPEATED_UIDS"
    TILT = "TILT"
    TILT_CORRECTED = "TILT_CORRECTED"
    OBLIQUE = "OBLIQUE"
    NO_GEOMETRY = "NO_GEOMETRY"
    TRANSFORMS_DIFFER = "TRANSFORMS_DIFFER"
    NO_RESCALE = "NO_RESCALE"
    BAD_HU = "BAD_HU"
    RESCALE_DIFFERS = "RESCALE_DIFFERS"
    CODE_STREAM_DIFFERS = "CODE_STREAM_DIFFERS"
    BURNED_IN = "BURNED_IN"
    BAD_TRANSFER_SYNTAX = "BAD_TRANSFER_SYNTAX"
    TRUNCATED = "TRUNCATED"
    DAMAGED = "DAMAGED"
    NOT_DICOM = "NOT_DICOM"
    NO_IMAGES = "NO_IMAGES"
    INCOMPLETE = "INCOMPLETE"
    LOSSY = "LOSSY"
    METAL = "METAL"
    SPINE_NOT_FOUND = "SPINE_NOT_FOUND"
    CANAL_INTERPOLATED = "CANAL_INTERPOLATED"
    CANAL_EXTRAPOLATED = "CANAL_EXTRAPOLATED"
    SPINE_SHORTENED = "SPINE_SHORTENED"
    BAD_INPUT = "BAD_INPUT"


REFUSAL = r"\b([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*): "
"""The grammar of a refusal in a server's text: a code, a colon and a blank; the rest of the line is a sentence.

Triton wraps it in words of its own. The first match whose code is one of `Code` is the refusal; a text without one is
none. The expression means the same to Python, Java, ECMAScript and RE2.
"""


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
        """Keep code and sentence on the way to another process, where an exception is made anew from its text alone."""
        return type(self), (self.code, self.sentence)

    @classmethod
    def find(cls, text: str) -> "StudyRefused | None":
        """Recover a refusal from a server's error text, which wraps ``CODE: sentence`` in words of its own."""
        for match in re.finditer(REFUSAL, text):
            if match[1] in Code.__members__:
                return cls(Code(match[1]), text[match.end() :].partition("\n")[0].strip())
        return None


class ServerUnavailable(VcfError):
    """No server answers at the address, it is not ready, or the connection was lost."""

    code = "SERVER_UNAVAILABLE"


class Overloaded(ServerUnavailable):
    """The server is there and has no room for another study now.

    after_s
        When it expects to have room, if it says so.
    """

    CODE = "OVERLOADED"
    """How the server's text begins."""
    code = CODE

    def __init__(self, sentence: str, after_s: float | None = None) -> None:
        super().__init__(sentence)
        self.after_s = after_s

    @classmethod
    def full(cls, taken: int, after_s: float) -> "Overloaded":
        """Tell what a server says that has taken as many studies as it may."""
        sentence = (
            f"{cls.CODE}: {taken} studies are in flight or waiting here, and no more are taken: send it again in about "
            f"{after_s:.1f} s, or to another server"
        )
        return cls(sentence, after_s)

    @classmethod
    def find(cls, text: str) -> "Overloaded | None":
        """Recover it from a server's error text, which wraps the sentence in words of its own."""
        found = re.search(rf"\b{cls.CODE}: .*? in about (\d+\.\d) s, or to another server", text)
        return cls(found[0], float(found[1])) if found else None


class NotTrusted(ServerUnavailable):
    """No secure connection: client and server do not accept each other's certificates."""

    code = "NOT_TRUSTED"


class AccessDenied(ServerUnavailable):
    """The server asks for an API key, and none or another one was sent."""

    code = "ACCESS_DENIED"


class ContractDiffers(ServerUnavailable):
    """The server speaks another major version of the contract; the study was not sent."""

    code = "CONTRACT_DIFFERS"


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
