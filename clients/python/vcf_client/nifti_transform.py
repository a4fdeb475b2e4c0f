# SPDX-License-Identifier: Apache-2.0
"""Turns the transforms of a NIfTI header into one affine, or none where they contradict each other.

A header can say three times how voxels lie: ``sform`` (any affine), ``qform`` (a turn, with the sizes of ``pixdim``)
and ``pixdim`` alone (NIfTI-1.1, "3D image (volume) orientation and location in space"). The rule here: the sform where
its code is above 0 and it is not all zeros, otherwise the qform. The others must not contradict it; what writers leave
at its default (``pixdim`` 1, 1, 1 without a qform) says nothing.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcf_client.acceptance import MIN_AXIS_COSINE
from vcf_contract.errors import Code, StudyRefused

_RAS_TO_LPS: NDArray[np.float64] = np.diag([-1.0, -1.0, 1.0, 1.0])
_SAME_SIZE = 0.01
"""Relative: sizes are written with a few digits, and in single precision."""
_SAME_DIRECTION_DEG = 0.2
_SAME_PLACE_MM = 1.0

Affine = NDArray[np.float64]


def transform(header: Any) -> tuple[Affine, tuple[Code, ...]]:
    """Index to LPS mm, and ``TRANSFORMS_DIFFER`` where the transforms differ in a way that does no harm.

    Raises
    ------
    StudyRefused
        ``NO_GEOMETRY`` if there is no transform, if its sizes are not credible, or if another one has other sizes or
        other directions.
    """
    _refuse_units(header)
    sform, qform = _sform(header), _qform(header)
    chosen = qform if sform is None else sform
    if chosen is None:
        raise StudyRefused(
            Code.NO_GEOMETRY, "neither sform nor qform says how the voxels lie; a file with one of them is accepted"
        )
    _refuse_odd_sizes(chosen)
    pixdim = np.abs(np.asarray(header["pixdim"][1:4], np.float64))
    unset = qform is None and bool(np.all(pixdim == 1))
    if not unset:
        _refuse_other_sizes(chosen, pixdim)
    differ = sform is None and int(header["sform_code"]) > 0
    differ |= unset and not np.allclose(np.linalg.norm(chosen[:3, :3], axis=0), 1, rtol=_SAME_SIZE)
    if sform is not None and qform is not None:
        differ = differ or _differ(sform, qform)
    return _RAS_TO_LPS @ chosen, (Code.TRANSFORMS_DIFFER,) if differ else ()


def _sform(header: Any) -> Affine | None:
    """None without a code, and where all of it is zero: some writers set the code alone."""
    if int(header["sform_code"]) <= 0:
        return None
    affine = np.asarray(header.get_sform(), np.float64)
    return affine if np.any(affine[:3] != 0) else None


def _qform(header: Any) -> Affine | None:
    if int(header["qform_code"]) <= 0:
        return None
    affine: Affine | None = None
    try:
        affine = np.asarray(header.get_qform(), np.float64)
    except Exception:  # a quaternion longer than 1, or sizes below 0
        affine = None
    if affine is None:
        raise StudyRefused(Code.NO_GEOMETRY, "the quaternion of the qform is no turn; a unit quaternion is accepted")
    return affine


def _refuse_units(header: Any) -> None:
    unit = int(header["xyzt_units"]) & 0x07
    if unit in (1, 3):
        name = "metres" if unit == 1 else "micrometres"
        raise StudyRefused(Code.NO_GEOMETRY, f"lengths are given in {name}; millimetres are accepted")


def _refuse_odd_sizes(affine: Affine) -> None:
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.all(np.isfinite(affine)) or np.any(sizes < 1e-3) or np.any(sizes > 100):
        raise StudyRefused(
            Code.NO_GEOMETRY, "the affine holds no credible voxel sizes; sizes from 0.001 to 100 mm are accepted"
        )


def _refuse_other_sizes(affine: Affine, pixdim: NDArray[np.float64]) -> None:
    """``pixdim`` of 0 says nothing."""
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    given = np.isfinite(pixdim) & (pixdim > 0)
    if np.any(np.abs(pixdim[given] - sizes[given]) > _SAME_SIZE * sizes[given]) or not np.all(np.isfinite(pixdim)):
        raise StudyRefused(
            Code.NO_GEOMETRY,
            f"voxels are {_mm(sizes)} mm by the transform and {_mm(pixdim)} mm by pixdim; one size is accepted",
        )


def _differ(sform: Affine, qform: Affine) -> bool:
    """Return whether affines of equal sizes differ a little; StudyRefused where they turn the volume another way."""
    axes = [a[:3, :3] / np.linalg.norm(a[:3, :3], axis=0) for a in (sform, qform)]
    cosine = float((axes[0] * axes[1]).sum(0).min())
    apart = float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
    if cosine < MIN_AXIS_COSINE:
        raise StudyRefused(
            Code.NO_GEOMETRY,
            f"the axes of sform and qform point up to {apart:.0f} degrees apart; up to "
            f"{np.degrees(np.arccos(MIN_AXIS_COSINE)):.0f} are accepted",
        )
    return apart > _SAME_DIRECTION_DEG or float(np.linalg.norm(sform[:3, 3] - qform[:3, 3])) > _SAME_PLACE_MM


def _mm(sizes: NDArray[np.float64]) -> str:
    return " × ".join(f"{size:.2f}" for size in sizes)
