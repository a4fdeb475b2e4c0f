# SPDX-License-Identifier: Apache-2.0
"""Names and UIDs that do not give the patient away: made from DICOM identifiers with a secret key."""

import hmac
import os
import secrets
from pathlib import Path

from vcf_client.dicom.privacy import HASH_KEY_VARIABLE
from vcf_client.dicom.result import UidMaker, uid_from
from vcf_client.dicom.source import SourceSeries
from vcf_contract.errors import SetupError

_BYTES = 32


class Key:
    """A secret, and what is derived from it. With the same key the same input gives the same name for ever."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def name(self, kind: str, identifier: str) -> str:
        """32 hex digits: tells things of a kind apart, cannot be traced back without the key."""
        return self._digest(kind, identifier).hex()[:32]

    def uid(self, role: str, *identifiers: str) -> str:
        """A UID that is new to the world, but the same again for the same role and identifiers."""
        return uid_from(self._digest("uid", role, *identifiers))

    def uid_maker(self, source: SourceSeries, reason: str) -> UidMaker:
        """UIDs of results: the same images for the same reason, such as a model, always give the same; the series does
        not even depend on the images."""
        images = sorted(uid for _, uid in source.instances)

        def new_uid(role: str) -> str:
            return self.uid(role, source.series_uid, reason, *([] if role.endswith("-series") else images))

        return new_uid

    def _digest(self, *parts: str) -> bytes:
        return hmac.new(self._secret, "\0".join(parts).encode(), "sha256").digest()


def load_key(path: Path) -> Key:
    """The key of a spool: from ``VCF_HASH_KEY`` if that is set, otherwise from its file, which is made once.

    Raises
    ------
    SetupError
        If the file is there but holds no key: made anew, every study would be sent a second time.
    """
    if given := os.environ.get(HASH_KEY_VARIABLE):
        return Key(given.encode())
    try:
        made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        secret = path.read_bytes()
    else:
        secret = secrets.token_bytes(_BYTES)
        with os.fdopen(made, "wb") as file:
            file.write(secret)
            file.flush()
            os.fsync(file.fileno())
    if len(secret) != _BYTES:
        raise SetupError(
            f"the key file of the spool has {len(secret)} bytes, not {_BYTES}: restore it from a backup; only if that "
            "is impossible remove it together with the rest of the spool"
        )
    return Key(secret)
