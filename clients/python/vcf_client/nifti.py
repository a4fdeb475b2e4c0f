# SPDX-License-Identifier: Apache-2.0
"""NIfTI-1 and -2 to a study. The format knows no patient, kernel or series, so only geometry and values are checked."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcf_client.acceptance import (
    MAX_VOLUME_BYTES,
    MIN_AXIS_COSINE,
    age_flags,
    refuse_too_big,
    refuse_too_short,
    thickness_flags,
)
from vcf_client.blank import without_blank_ends
from vcf_client.dicom.privacy import keyed_hash
from vcf_client.gaps import fill_gaps
from vcf_client.hounsfield import HIGHEST_HU, LOWEST_HU, has_metal, refuse_bad_hu
from vcf_client.nifti_file import NiftiFile, open_nifti
from vcf_client.nifti_transform import transform
from vcf_client.study import Study
from vcf_client.unpacking import refuse_bomb
from vcf_contract.digest import sha256_of
from vcf_contract.errors import Code, StudyRefused
from vcf_preprocess.geometry import canonicalise

_MAX_SHEAR_COSINE = float(np.sin(np.radians(1.0)))
_SAMPLED = 250_000


def read_nifti(path: Path, age_policy: str, progress: Callable[[int, int], None] | None = None) -> Study:
    """Read and check a NIfTI volume of Hounsfield units; StudyRefused where it is none."""
    with open_nifti(path) as file:
        _refuse_shape(file.shape)
        if file.header.get_data_dtype().names is not None or file.header.get_data_dtype().kind not in "iuf":
            raise StudyRefused(
                Code.DERIVED_IMAGE, "the voxels are colours or complex; one HU value a voxel is accepted"
            )
        affine, differ = transform(file.header)
        flags = (*age_flags(None, age_policy), *differ)
        up = _check_geometry(affine)
        spacing = np.linalg.norm(affine[:3, :3], axis=0)
        flags += thickness_flags(float(spacing[up]))
        refuse_too_short(float(spacing[up]) * file.shape[up])
        refuse_too_big(*file.shape)
        refuse_bomb(path.stat().st_size, file.voxel_bytes, 4 * MAX_VOLUME_BYTES)  # float64 voxels
        hu, sample = _as_hu(file)
    refuse_bad_hu(sample)
    volume, blank = without_blank_ends(canonicalise(hu, affine))
    flags += (*blank, *fill_gaps(volume.hu, [False] * len(volume.hu)))
    if has_metal(volume.hu, float(np.prod(volume.spacing_mm))):
        flags += (Code.METAL,)
    if progress:
        progress(1, 1)
    series_id = keyed_hash(sha256_of(path))
    what = f"{volume.spacing_mm[0] * volume.hu.shape[0]:.0f} mm in steps of {volume.spacing_mm[0]:.2f} mm"
    return Study(volume, series_id, flags, (f"the NIfTI volume (id {series_id}) taken: {what}.",))


def _refuse_shape(shape: tuple[int, ...]) -> None:
    if len(shape) == 3 and min(shape) > 1:
        return
    what = f"an image of {len(shape)} dimensions, {_times(shape)}"
    if len(shape) == 3:
        what = f"a single slice, {_times(shape)}" if sorted(shape)[1] > 1 else f"a single line, {_times(shape)}"
    raise StudyRefused(Code.BAD_INPUT, f"{what}; one volume of several slices is accepted")


def _times(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))


def _check_geometry(affine: NDArray[np.float64]) -> int:
    """Return which axis of the file runs along the patient; StudyRefused for sheared or oblique volumes."""
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


def _as_hu(file: NiftiFile) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
    """Return all voxels as a volume keeps them, and some as they were."""
    hu = np.empty(file.shape, np.int16, order="F")
    step = max(1, round((hu.size / _SAMPLED) ** (1 / 3)))
    samples = []
    for number, plane in enumerate(file.planes()):
        hu[..., number] = _to_int16(plane)
        if number % step == 0:
            samples.append(plane[::step, ::step].astype(np.float32))
    return hu, np.stack(samples, -1)


def _to_int16(values: NDArray[Any]) -> NDArray[np.int16]:
    """Clipped to what a volume keeps; not-a-number is air."""
    if values.dtype.kind == "f":
        values = np.rint(np.nan_to_num(values, nan=LOWEST_HU, posinf=HIGHEST_HU, neginf=LOWEST_HU))
    return np.clip(values, LOWEST_HU, HIGHEST_HU).astype(np.int16)
