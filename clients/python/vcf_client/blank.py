# SPDX-License-Identifier: Apache-2.0
"""Slices that show no body, left out at both ends of a volume, so that no patch is laid there."""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from vcf_client.acceptance import refuse_too_short
from vcf_contract.errors import Code, StudyRefused
from vcf_preprocess.body import body_slices
from vcf_preprocess.geometry import Volume


def body_range(hu: NDArray[np.int16], pixel_mm: tuple[float, float], missing: Collection[int] = ()) -> tuple[int, int]:
    """First slice (slices, rows, columns) that shows a body, and the one behind the last; ``missing`` show nothing.

    Raises
    ------
    StudyRefused
        ``BAD_HU`` if no slice does.
    """
    found = body_slices(hu, pixel_mm, missing)
    if found is None:
        raise StudyRefused(Code.BAD_HU, "no slice shows a body; a body in air near −1000 HU is accepted")
    return found


def without_blank_ends(volume: Volume) -> tuple[Volume, tuple[Code, ...]]:
    """A canonical volume without the slices at its ends that show no body, and ``BLANK_SLICES`` if there were any.

    Raises
    ------
    StudyRefused
        ``BAD_HU`` if no slice shows a body, ``TOO_SHORT`` if too few do.
    """
    first, stop = body_range(volume.hu, volume.spacing_mm[1:])
    if stop - first == len(volume.hu):
        return volume, ()
    refuse_short_body((stop - first) * volume.spacing_mm[0])
    return volume.part(first, stop), (Code.BLANK_SLICES,)


def refuse_short_body(coverage_mm: float) -> None:
    """Raise StudyRefused where too little of a scan shows a body."""
    refuse_too_short(coverage_mm, "where it shows a body")
