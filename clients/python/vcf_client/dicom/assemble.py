# SPDX-License-Identifier: Apache-2.0
"""A stack of slices to a canonical volume of Hounsfield units."""

import numpy as np
from numpy.typing import NDArray

from vcf_client.acceptance import refuse_too_big, refuse_too_short
from vcf_client.blank import body_range, refuse_short_body
from vcf_client.dicom.pixels import Progress, decode
from vcf_client.dicom.stack import TILT_FROM_DEG, Stack
from vcf_client.dicom.tilt import unshear
from vcf_client.gaps import MAX_FILLED, fill_gaps
from vcf_client.hounsfield import has_metal, refuse_bad_hu
from vcf_contract.errors import Code, StudyRefused
from vcf_preprocess.geometry import Volume, affine_from, canonicalise


def assemble(
    stack: Stack, progress: Progress | None = None, workers: int | None = None
) -> tuple[Volume, tuple[Code, ...]]:
    """Decode, fill what is missing, correct a tilt; the volume and the flags that this adds.

    Raises StudyRefused with TRUNCATED, BAD_TRANSFER_SYNTAX, BAD_HU or TOO_LARGE.
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
    if decoded.differing:
        flags.append(Code.CODE_STREAM_DIFFERS)
    hu, affine, missing, blank = _trim(hu, affine, missing)
    flags += blank
    flags += fill_gaps(hu, missing)
    if stack.tilt_deg > TILT_FROM_DEG:
        hu, affine = _upright(hu, affine)
        flags.append(Code.TILT_CORRECTED)
    volume = canonicalise(hu, affine)
    if has_metal(volume.hu, float(np.prod(volume.spacing_mm))):
        flags.append(Code.METAL)
    return volume, tuple(flags)


def _upright(hu: NDArray[np.int16], affine: NDArray[np.float64]) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
    """Take out the tilt, and the slices in which it left the spine uncovered."""
    upright = unshear(hu, affine)
    first, stop = upright.about_spine()
    affine = affine_from(upright.affine, 0, first)
    refuse_too_short((stop - first) * float(np.linalg.norm(affine[:3, 0])), "of the spine in full")
    refuse_too_big(stop - first, *upright.hu.shape[1:])
    return upright.hu[first:stop], affine


def _trim(
    hu: NDArray[np.int16], affine: NDArray[np.float64], missing: list[bool]
) -> tuple[NDArray[np.int16], NDArray[np.float64], list[bool], tuple[Code, ...]]:
    """Leave out slices at the ends that show no body, or cannot be read: there is nothing to interpolate between."""
    gone = {i for i, is_gone in enumerate(missing) if is_gone}
    readable = [i for i, is_gone in enumerate(missing) if not is_gone]
    slice_mm, *pixel_mm = np.linalg.norm(affine[:3, :3], axis=0)
    first, stop = body_range(hu, (pixel_mm[0], pixel_mm[1]), gone)
    flags: tuple[Code, ...] = ()
    if (first, stop) != (readable[0], readable[-1] + 1):
        refuse_short_body((stop - first) * slice_mm)
        flags = (Code.BLANK_SLICES,)
    return hu[first:stop], affine_from(affine, 0, first), missing[first:stop], flags
