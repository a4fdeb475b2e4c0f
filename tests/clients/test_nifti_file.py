# SPDX-License-Identifier: Apache-2.0
"""Bytes of a NIfTI file against nibabel's own reading, and streams that are damaged anywhere."""

import gzip
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from vcf_client.nifti_file import NiftiFile, open_nifti
from vcf_contract.errors import Code, StudyRefused

SHAPE = (7, 6, 5)


def image(kind: type = nibabel.Nifti1Image, dtype: Any = np.int16) -> Any:
    voxels = np.random.default_rng(2).integers(-900, 900, SHAPE).astype(dtype)
    return kind(voxels, np.diag([2.0, 2.0, 3.0, 1.0]))


def saved(path: Path, made: Any) -> Path:
    nibabel.save(made, path)
    return path


def values(file: NiftiFile) -> np.ndarray:
    return np.stack(list(file.planes()), axis=-1)


def code_of(path: Path) -> Code:
    with pytest.raises(StudyRefused) as refused, open_nifti(path) as file:
        values(file)
    assert str(path) not in str(refused.value)
    return refused.value.code


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("name", ["v.nii", "v.nii.gz"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float32, np.float64])
def test_values_are_nibabels(tmp_path: Path, kind: type, name: str, dtype: Any) -> None:
    path = saved(tmp_path / name, image(kind, dtype))
    with open_nifti(path) as file:
        assert file.shape == SHAPE
        np.testing.assert_array_equal(values(file), nibabel.load(path).get_fdata())  # type: ignore[attr-defined]


def test_scaled_values_are_nibabels(tmp_path: Path) -> None:
    made = image()
    made.header.set_slope_inter(0.5, -100)
    path = saved(tmp_path / "v.nii.gz", made)
    with open_nifti(path) as file:
        np.testing.assert_allclose(values(file), nibabel.load(path).get_fdata())  # type: ignore[attr-defined]


def test_big_endian_and_extensions(tmp_path: Path) -> None:
    made = nibabel.Nifti1Image(image().get_fdata().astype(">i2"), np.eye(4), nibabel.Nifti1Header(endianness=">"))
    made.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"x" * 5000))
    path = saved(tmp_path / "v.nii.gz", made)
    with open_nifti(path) as file:
        np.testing.assert_array_equal(values(file), made.get_fdata())


def test_axes_of_one_at_the_end_are_no_axes(tmp_path: Path) -> None:
    made = nibabel.Nifti1Image(image().get_fdata().astype(np.int16)[..., None, None], np.eye(4))
    with open_nifti(saved(tmp_path / "v.nii", made)) as file:
        assert file.shape == SHAPE == values(file).shape


@pytest.mark.parametrize("name", ["v.nii", "v.nii.gz"])
@pytest.mark.parametrize("left", [0.99, 0.7])
def test_a_file_that_ends_too_early(tmp_path: Path, name: str, left: float) -> None:
    path = saved(tmp_path / name, image())
    content = path.read_bytes()
    path.write_bytes(content[: int(left * len(content))])
    assert code_of(path) == Code.TRUNCATED


def test_a_checksum_that_does_not_match(tmp_path: Path) -> None:
    path = saved(tmp_path / "v.nii.gz", image())
    content = bytearray(path.read_bytes())
    content[-6] ^= 1  # of the CRC-32 of RFC 1952
    path.write_bytes(content)
    assert code_of(path) == Code.DAMAGED


@pytest.mark.parametrize(
    ("more", "code"), [(b"\0" * 50, None), (b"\0" * 50 + b"x", Code.DAMAGED), (b"\0" * 7 * 6 * 2, Code.DAMAGED)]
)
def test_what_follows_the_voxels(tmp_path: Path, more: bytes, code: Code | None) -> None:
    path = saved(tmp_path / "v.nii", image())
    path.write_bytes(path.read_bytes() + more)
    if code:
        assert code_of(path) == code
    else:
        with open_nifti(path) as file:
            assert values(file).shape == SHAPE


@pytest.mark.parametrize(
    "content", [b"", b"\x5c\x01\0\0", bytes(400), b"\x5c\x01\0\0" + bytes(340) + b"ni1\0", b"text" * 200]
)
def test_what_is_no_nifti(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "v.nii"
    for written in (content, gzip.compress(content)):
        path.write_bytes(written)
        assert code_of(path) == Code.NOT_DICOM


def test_a_slope_without_an_intercept(tmp_path: Path) -> None:
    path = saved(tmp_path / "v.nii", image())
    content = bytearray(path.read_bytes())
    content[112:120] = np.array([2.0, np.nan], "<f4").tobytes()  # scl_slope, scl_inter
    path.write_bytes(content)
    assert code_of(path) == Code.NO_RESCALE


@pytest.mark.parametrize("seed", range(40))
def test_damage_anywhere_is_a_refusal_or_the_same_values(tmp_path: Path, seed: int) -> None:
    """One bit of a gzip stream: the checksum tells, whatever it hit."""
    path = saved(tmp_path / "v.nii.gz", image())
    content = bytearray(path.read_bytes())
    content[np.random.default_rng(seed).integers(len(content))] ^= 1 << seed % 8
    path.write_bytes(content)
    try:
        with open_nifti(path) as file:
            np.testing.assert_array_equal(values(file), image().get_fdata())
    except StudyRefused as refused:
        assert refused.code in (Code.DAMAGED, Code.TRUNCATED, Code.NOT_DICOM)
