# SPDX-License-Identifier: Apache-2.0
"""A short hash of the code that makes data, and of what it was asked for: made by other code, it is other data."""

import hashlib
from collections.abc import Iterable
from pathlib import Path


def code_digest(code: Iterable[Path], asked: object = None) -> str:
    """Compute 16 hexadecimal digits that change with any of the files, or with the text of what was asked for."""
    digest = hashlib.sha256(b"" if asked is None else repr(asked).encode())
    for path in sorted(code):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
