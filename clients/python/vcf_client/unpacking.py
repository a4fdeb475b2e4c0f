# SPDX-License-Identifier: Apache-2.0
"""Tell what packed data may unpack to: by file, by study, and by ratio to what was sent.

CT packs three to one, deflated or as JPEG; a blank slice a thousand to one, a whole study of them nobody sends. What
unpacks to far more than it weighs is refused while it unpacks, before the memory is gone.
"""

from vcf_client.acceptance import MAX_VOLUME_BYTES
from vcf_contract.errors import Code, StudyRefused

MAX_FILE_BYTES = MAX_VOLUME_BYTES + (64 << 20)
"""The largest volume in one file, with its header."""
MAX_STUDY_BYTES = 4 << 30
"""Several series in one archive; twice the largest volume."""
MAX_RATIO = 200
FREE_BYTES = 64 << 20
"""So much may come of however little: it costs nothing."""


class Allowance:
    """Tell how many bytes the packed files of one study may still unpack to; it grows with what was sent."""

    def __init__(self, limit_bytes: int = MAX_STUDY_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._packed = self._unpacked = 0

    def sent(self, packed_bytes: int) -> None:
        """So many packed bytes have come."""
        self._packed += packed_bytes

    @property
    def left(self) -> int:
        """Tell how many bytes may still come of all that was sent."""
        return min(self._limit_bytes, FREE_BYTES + MAX_RATIO * self._packed) - self._unpacked

    def take(self, unpacked_bytes: int) -> None:
        """So many bytes came, or are about to.

        Raises
        ------
        StudyRefused
            ``TOO_LARGE`` if these are more than may.
        """
        if unpacked_bytes > self.left:
            raise too_large(self._unpacked + unpacked_bytes, self._packed, self._limit_bytes)
        self._unpacked += unpacked_bytes


def refuse_bomb(packed_bytes: int, unpacked_bytes: int, limit_bytes: int = MAX_STUDY_BYTES) -> None:
    """The same for one thing of which both sizes are known.

    Raises
    ------
    StudyRefused
        ``TOO_LARGE``.
    """
    allowance = Allowance(limit_bytes)
    allowance.sent(packed_bytes)
    allowance.take(unpacked_bytes)


def too_large(unpacked_bytes: int, packed_bytes: int, limit_bytes: int) -> StudyRefused:
    """The refusal of what unpacks to too much."""
    return StudyRefused(
        Code.TOO_LARGE,
        f"{packed_bytes / 2**20:.1f} MiB unpack to {unpacked_bytes >> 20} MiB or more; up to {MAX_RATIO} times their "
        f"size, or {FREE_BYTES >> 20} MiB, and at most {limit_bytes >> 20} MiB are accepted",
    )
