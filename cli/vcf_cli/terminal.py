# SPDX-License-Identifier: Apache-2.0
"""Terminals that are not UTF-8: a character that they cannot show becomes a plain one, never an error."""

import codecs
import io
import sys

_HANDLER = "vcf-plain"
_PLAIN = {
    **{"×": "x", "−": "-", "–": "-", "—": "-", "·": ".", "…": "...", "≤": "<=", "≥": ">=", "→": "->"},
    **{"█": "#", "✓": "ok", "²": "2", "³": "3", "°": " degrees", "“": '"', "”": '"', "‘": "'", "’": "'"},
}


def show_any_character() -> None:
    """Have standard output and error replace what their encoding lacks."""
    codecs.register_error(_HANDLER, _plainly)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)


def _plainly(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(_PLAIN.get(character, "?") for character in text), error.end
