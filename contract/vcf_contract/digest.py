# SPDX-License-Identifier: Apache-2.0
"""The hash by which files are known."""

import hashlib
from pathlib import Path


def sha256_of(*paths: Path) -> str:
    """Hexadecimal SHA-256 of a file, or of several one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
