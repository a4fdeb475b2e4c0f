# SPDX-License-Identifier: Apache-2.0
"""The secret that names are made with, in a form that can travel to workers."""

import os
from pathlib import Path

from vcf_client.dicom.privacy import HASH_KEY_VARIABLE
from vcf_client.gateway.key import load_key


def load_secret(path: Path) -> bytes:
    """Read the secret: ``VCF_HASH_KEY`` if that is set, otherwise that of the file, which is made once.

    Raises
    ------
    vcf_contract.errors.SetupError
        If the file is there but holds no key.
    """
    if given := os.environ.get(HASH_KEY_VARIABLE):
        return given.encode()
    load_key(path)  # makes it, or says that it is broken
    return path.read_bytes()
