# SPDX-License-Identifier: Apache-2.0
"""Transfer syntaxes: which are native, which lose detail, which can be decoded here (DICOM PS3.5 annex A)."""

from functools import cache

from pydicom.pixels.decoders.base import get_decoder

_NATIVE = {
    "1.2.840.10008.1.2": "<",
    "1.2.840.10008.1.2.1": "<",
    "1.2.840.10008.1.2.2": ">",
}
RETIRED_JPEG = frozenset({"1.2.840.10008.1.2.4.53", "1.2.840.10008.1.2.4.55"})
"""Spectral selection and full progression: retired from the standard, unknown to pydicom, known to libjpeg."""
ALWAYS_LOSSY = frozenset({"1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", *RETIRED_JPEG})
"""JPEG with a cosine transform. JPEG-LS and JPEG 2000 may be either; LossyImageCompression tells."""


def is_native(syntax: str) -> bool:
    """Return whether pixels are stored as they are (deflated files are unpacked before)."""
    return syntax in _NATIVE


def byte_order(syntax: str) -> str:
    """``<`` or ``>`` of a native syntax."""
    return _NATIVE[syntax]


@cache
def is_supported(syntax: str) -> bool:
    """Return whether its pixels can be read on this machine."""
    if is_native(syntax) or syntax in RETIRED_JPEG:
        return True
    try:
        return bool(get_decoder(syntax).is_available)
    except (NotImplementedError, ValueError):
        return False
