# SPDX-License-Identifier: Apache-2.0
"""NIfTI-1 and -2 to a study. The format knows no patient, kernel or series, so only geometry and values are checked."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from clients.acceptance import (
    MIN_AXIS_COSINE,
    age_flags,
    refuse_too_big,
    refuse_too_short,
    thickness_flags,
)
from clients.dicom.privacy import keyed_hash
from clients.hounsfield import HIGHEST_HU, LOWEST_HU, has_metal, refuse_bad_hu
from clients.study import Study
from preprocess.geometry import canonicalise
from vcf.errors import Code, StudyRefused

_RAS_TO_LPS: NDArray[np.float64] = np.diag([-1.0, -1.0, 1.0, 1.0])
_MAX_SHEAR_COSINE = float(np.sin(np.radians(1.0)))
_SAMPLED = 250_000


def read_nifti(path: Path, age_policy: str, progress: Callable[[int, int], None] | None = None) -> Study:
    """Read and check a NIfTI volume of Hounsfield units; StudyRefused where it is none."""
    image = _load(path)
    shape = tuple(int(n) for n in image.shape)
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) != 3 or min(shape) < 2:
        raise StudyRefused(
            Code.BAD_INPUT, f"an image of {len(shape)} dimensions, {_times(shape)}; one volume of three is accepted"
        )
    affine = _affine(image)
    flags = age_flags(None, age_policy)
    up = _check_geometry(affine)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    flags += thickness_flags(float(spacing[up]))
    refuse_too_short(float(spacing[up]) * shape[up])
    refuse_too_big(*shape)
    values = _values(image, shape)
    step = max(1, round((values.size / _SAMPLED) ** (1 / 3)))
    refuse_bad_hu(values[::step, ::step, ::step].astype(np.float32), air_required=False)
    volume = canonicalise(_to_int16(values), affine)
    if has_metal(volume.hu, float(np.prod(volume.spacing_mm))):
        flags += (Code.METAL,)
    if progress:
        progress(1, 1)
    series_id = keyed_hash(_digest(path))
    what = f"{volume.spacing_mm[0] * volume.hu.shape[0]:.0f} mm in steps of {volume.spacing_mm[0]:.2f} mm"
    return Study(volume, series_id, flags, (f"the NIfTI volume (id {series_id}) taken: {what}.",))


def _times(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))


def _load(path: Path) -> Any:
    """The image with its header read and its values not."""
    image: Any = None
    try:
        image = nibabel.load(path)
    except Exception:  # a damaged header can make nibabel raise anything, and its text holds the path
        image = None
    if not isinstance(image, nibabel.Nifti1Image | nibabel.Nifti1Pair):
        raise StudyRefused(Code.NOT_DICOM, "the file is neither DICOM nor readable NIfTI; one of them is accepted")
    if image.get_data_dtype().names is not None or image.get_data_dtype().kind not in "iuf":
        raise StudyRefused(Code.DERIVED_IMAGE, "the voxels are colours or complex; one HU value a voxel is accepted")
    return image


def _affine(image: Any) -> NDArray[np.float64]:
    """Index to LPS: the sform, else the qform; a file with neither says nothing about directions."""
    header = image.header
    if int(header["sform_code"]) == 0 and int(header["qform_code"]) == 0:
        raise StudyRefused(Code.NO_GEOMETRY, "sform and qform codes are both 0; a file with one of them is accepted")
    affine: NDArray[np.float64] = np.dot(_RAS_TO_LPS, np.asarray(image.affine, np.float64))
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.all(np.isfinite(affine)) or np.any(spacing < 1e-3) or np.any(spacing > 100):
        raise StudyRefused(
            Code.NO_GEOMETRY, "the affine holds no credible voxel sizes; sizes from 0.001 to 100 mm are accepted"
        )
    return affine


def _check_geometry(affine: NDArray[np.float64]) -> int:
    """Which axis of the file runs along the patient; StudyRefused for sheared or oblique volumes."""
    axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    shear = np.abs(axes.T @ axes - np.eye(3)).max()
    if shear > _MAX_SHEAR_COSINE:
        raise StudyRefused(
            Code.TILT,
            f"the axes of the volume are {np.degrees(np.arcsin(min(1.0, shear))):.0f} degrees off perpendicular; up to "
            "1 is accepted, a tilted gantry must be corrected before",
        )
    cosines = np.abs(axes).max(axis=0)
    nearest = np.abs(axes).argmax(axis=0)
    if cosines.min() < MIN_AXIS_COSINE or sorted(nearest) != [0, 1, 2]:
        raise StudyRefused(
            Code.OBLIQUE,
            f"the axes lie up to {np.degrees(np.arccos(cosines.min())):.0f} degrees off the patient's; "
            f"up to {np.degrees(np.arccos(MIN_AXIS_COSINE)):.0f} are accepted",
        )
    return int(np.flatnonzero(nearest == 2)[0])


def _values(image: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    values: NDArray[Any] | None = None
    try:
        values = np.asanyarray(image.dataobj).reshape(shape)
    except Exception:  # a file that ends early, or a damaged compressed stream
        values = None
    if values is None:
        raise StudyRefused(Code.TRUNCATED, "the file ends before its voxels do; a whole file is accepted")
    return values


def _to_int16(values: NDArray[Any]) -> NDArray[np.int16]:
    """Clipped to what a volume keeps; not-a-number is air."""
    if values.dtype.kind == "f":
        values = np.rint(np.nan_to_num(values, nan=LOWEST_HU, posinf=HIGHEST_HU, neginf=LOWEST_HU))
    return np.clip(values, LOWEST_HU, HIGHEST_HU).astype(np.int16)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
