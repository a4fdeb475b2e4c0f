# SPDX-License-Identifier: Apache-2.0
"""A stack of slices to a canonical volume of Hounsfield units."""

import numpy as np
from numpy.typing import NDArray

from clients.acceptance import refuse_too_big
from clients.dicom.pixels import Progress, decode
from clients.dicom.stack import MAX_FILLED, TILT_FROM_DEG, Stack
from clients.dicom.tilt import unshear
from clients.hounsfield import has_metal, refuse_bad_hu
from preprocess.geometry import Volume, canonicalise
from vcf.errors import Code, StudyRefused


def assemble(
    stack: Stack, progress: Progress | None = None, workers: int | None = None
) -> tuple[Volume, tuple[Code, ...]]:
    """Decode, fill what is missing, correct a tilt; the volume and the flags that this adds.

    Raises StudyRefused with TRUNCATED, BAD_TRANSFER_SYNTAX, BAD_HU or TOO_LONG.
    """
    decoded = decode(stack.slices, progress, workers)
    hu, affine = decoded.hu, stack.affine
    missing = [s is None or i in decoded.failed for i, s in enumerate(stack.slices)]
    if sum(missing) > MAX_FILLED:
        code = next(iter(decoded.failed.values()), Code.TRUNCATED)
        reason = "cannot be decoded here" if code == Code.BAD_TRANSFER_SYNTAX else "are damaged or cut off"
        raise StudyRefused(
            code,
            f"the pixels of {len(decoded.failed)} of {len(stack.slices)} slices {reason}; "
            f"up to {MAX_FILLED} missing slices are accepted",
        )
    refuse_bad_hu(decoded.sample)
    flags: list[Code] = [Code.TRUNCATED] if decoded.failed else []
    hu, affine, missing = _trim(hu, affine, missing)
    if any(missing):
        fill(hu, missing)
        flags.append(Code.SLICES_FILLED)
    if stack.tilt_deg > TILT_FROM_DEG:
        hu, affine = unshear(hu, affine)
        refuse_too_big(*hu.shape)
        flags.append(Code.TILT_CORRECTED)
    volume = canonicalise(hu, affine)
    if has_metal(volume.hu, float(np.prod(volume.spacing_mm))):
        flags.append(Code.METAL)
    return volume, tuple(flags)


def _trim(
    hu: NDArray[np.int16], affine: NDArray[np.float64], missing: list[bool]
) -> tuple[NDArray[np.int16], NDArray[np.float64], list[bool]]:
    """Leave out unreadable slices at the ends, where there is nothing to interpolate between."""
    kept = [i for i, gone in enumerate(missing) if not gone]
    first, last = kept[0], kept[-1] + 1
    if first:
        affine = affine.copy()
        affine[:3, 3] += first * affine[:3, 0]
    return hu[first:last], affine, missing[first:last]


def fill(hu: NDArray[np.int16], missing: list[bool]) -> None:
    """Interpolate missing slices linearly, in place; the first and the last slice must be there."""
    for i in (i for i, gone in enumerate(missing) if gone):
        below = next(j for j in range(i - 1, -1, -1) if not missing[j])
        above = next(j for j in range(i + 1, len(missing)) if not missing[j])
        share = (i - below) / (above - below)
        hu[i] = np.rint(hu[below] * np.float32(1 - share) + hu[above] * np.float32(share))
