# SPDX-License-Identifier: Apache-2.0
"""Tell how many steps a parser may take through the headers of one study, in relation to what the files weigh.

An element takes two or three reads and 8 bytes at least: a file of zeros behind ``DICM``, or a sequence of empty items,
keeps a parser busy for half a second a megabyte. Headers of images lie before pixels that are a hundred times as large.
"""

from typing import Any, BinaryIO

from vcf_contract.errors import Code, StudyRefused

_A_HEADER = 1000
"""Reads for three hundred elements; so many are free in every file."""
_A_STUDY = 150_000
"""Beyond these, for all files together: two thirds of a second of parsing."""
_BYTES_A_STEP = 256
"""And for each so many bytes one more: a frame of 256 × 256 pixels has 512, and its functional groups need as many."""


class Steps:
    """Tell what is left of the steps of one study."""

    def __init__(self, left: int = _A_STUDY) -> None:
        self._left = left

    def counted(self, file: BinaryIO, size_bytes: int) -> BinaryIO:
        """Return the same stream, each read of which is a step; its size allows for some more."""
        self._left += size_bytes // _BYTES_A_STEP
        counted: Any = _Counted(file, self)
        return counted  # type: ignore[no-any-return]

    def take(self) -> None:
        """Take one step; raises as `check` does if there is none left."""
        self._left -= 1
        self.check()

    def check(self) -> None:
        """Raise StudyRefused with ``TOO_LARGE`` if there was a step too many: pydicom makes another error of it."""
        if self._left < 0:
            raise StudyRefused(
                Code.TOO_LARGE,
                "the headers hold more elements than those of any study of this size; an element for each "
                f"{_BYTES_A_STEP} bytes is accepted, and some hundred thousand beside these",
            )


class _Counted:
    """It is as much of a stream as pydicom's parser uses."""

    def __init__(self, file: BinaryIO, steps: Steps) -> None:
        self._read, self._steps, self._free = file.read, steps, _A_HEADER
        self.seek, self.tell = file.seek, file.tell

    def read(self, count: int = -1) -> bytes:
        if self._free:
            self._free -= 1
        else:
            self._steps.take()
        return self._read(count)
