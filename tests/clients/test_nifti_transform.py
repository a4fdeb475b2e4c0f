# SPDX-License-Identifier: Apache-2.0
"""The rule for a NIfTI header that says several times how its voxels lie, on headers as writers leave them."""

from typing import Any

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray

from vcf_client.nifti_transform import transform
from vcf_contract.errors import Code, StudyRefused

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
SIZES = (1.25, 1.25, 3.0)


def good(sizes: tuple[float, ...] = SIZES) -> NDArray[Any]:
    affine = np.diag([-sizes[0], -sizes[1], sizes[2], 1.0])
    affine[:3, 3] = 150, 160, -248
    return affine


def turned(degrees: float, axis: int = 2) -> NDArray[Any]:
    a = np.radians(degrees)
    i, j = [k for k in range(3) if k != axis]
    turn = np.eye(4)
    turn[[i, i, j, j], [i, j, i, j]] = np.cos(a), -np.sin(a), np.sin(a), np.cos(a)
    return turn @ good()


def header(
    sform: NDArray[Any] | None = None, qform: NDArray[Any] | None = None, kind: Any = nibabel.Nifti1Header, **set_: Any
) -> Any:
    h = kind()
    h.set_data_shape((9, 9, 9))
    h["pixdim"][1:4] = SIZES
    if qform is not None:
        h.set_qform(qform, 1)
    if sform is not None:
        h.set_sform(sform, 1)
    for name, value in set_.items():
        if name == "pixdim":
            h["pixdim"][1:4] = value
        else:
            h[name] = value
    return h


@pytest.mark.parametrize("kind", [nibabel.Nifti1Header, nibabel.Nifti2Header])
@pytest.mark.parametrize("which", [("sform",), ("qform",), ("sform", "qform")])
def test_what_agrees_is_taken_without_a_word(kind: Any, which: tuple[str, ...]) -> None:
    affine, flags = transform(header(**{name: good() for name in which}, kind=kind))
    np.testing.assert_allclose(affine, LPS @ good(), atol=1e-4)
    assert flags == ()


@pytest.mark.parametrize(
    ("sform", "qform", "words"),
    [
        (good((1.25, 1.25, 5.0)), good(), "1.25 × 1.25 × 5.00 mm by the transform and 1.25 × 1.25 × 3.00 mm by pixdim"),
        (good((1.25, 1.25, 5.0)), None, "5.00 mm by the transform and 1.25 × 1.25 × 3.00 mm by pixdim"),
        (good((1.25, 1.3, 3.0)), good(), "1.30"),
        (np.eye(4), good(), "1.00 × 1.00 × 1.00 mm by the transform"),
        (np.diag([-1.25, -1.25, -3.0, 1]), good(), "point up to 180 degrees apart"),
        (np.diag([1.25, -1.25, 3.0, 1]), good(), "point up to 180 degrees apart"),
        (good()[:, [1, 0, 2, 3]], good(), "point up to 90 degrees apart"),
        (turned(20), good(), "point up to 20 degrees apart; up to 8"),
        (turned(12, 0), good(), "point up to 12 degrees apart"),
    ],
)
def test_contradictions_are_refused(sform: NDArray[Any], qform: NDArray[Any] | None, words: str) -> None:
    with pytest.raises(StudyRefused) as caught:
        transform(header(sform, qform))
    assert caught.value.code == Code.NO_GEOMETRY and words in caught.value.sentence


def moved(mm: float) -> NDArray[Any]:
    affine = good()
    affine[0, 3] += mm
    return affine


@pytest.mark.parametrize("sform", [turned(3), turned(7.5, 1), moved(4), moved(-900)], ids=["3°", "7.5°", "4 mm", "far"])
def test_small_differences_are_flagged_and_the_sform_holds(sform: NDArray[Any]) -> None:
    affine, flags = transform(header(sform, good()))
    np.testing.assert_allclose(affine, LPS @ sform, atol=1e-3)
    assert flags == (Code.TRANSFORMS_DIFFER,)


@pytest.mark.parametrize("sform", [turned(0.05), moved(0.3), good((1.2500006, 1.25, 3.0))])
def test_rounding_is_no_difference(sform: NDArray[Any]) -> None:
    assert transform(header(sform, good()))[1] == ()


def test_sform_of_zeros_says_nothing() -> None:
    affine, flags = transform(header(np.diag([0.0, 0, 0, 1]), good()))
    np.testing.assert_allclose(affine, LPS @ good(), atol=1e-4)
    assert flags == (Code.TRANSFORMS_DIFFER,)


def test_sform_without_a_code_says_nothing() -> None:
    affine, flags = transform(header(None, good(), srow_x=[9, 0, 0, 0], srow_z=[0, 0, 9, 0]))
    np.testing.assert_allclose(affine, LPS @ good(), atol=1e-4)
    assert flags == ()


def test_qform_without_a_code_says_nothing() -> None:
    _, flags = transform(header(good(), None, quatern_b=1.0, qoffset_x=77))
    assert flags == ()


@pytest.mark.parametrize("pixdim", [(1, 1, 1), (0, 0, 0)])
def test_sizes_at_their_default_say_nothing(pixdim: tuple[int, ...]) -> None:
    affine, flags = transform(header(good(), None, pixdim=pixdim))
    np.testing.assert_allclose(affine, LPS @ good(), atol=1e-4)
    assert flags == ((Code.TRANSFORMS_DIFFER,) if pixdim[0] else ())


@pytest.mark.parametrize(
    "odd",
    [
        header(),
        header(np.diag([0.0, 0, 0, 1])),
        header(good(), srow_x=[np.nan, 0, 0, 0]),
        header(good(), srow_y=[0, np.inf, 0, 0]),
        header(good((1.25, 1.25, 500.0)), pixdim=(1.25, 1.25, 500)),
        header(good(), pixdim=(1.25, np.nan, 3)),
        header(None, good(), quatern_b=1.5),
        header(good(), xyzt_units=1),
        header(good(), xyzt_units=3),
    ],
)
def test_refused(odd: Any) -> None:
    with pytest.raises(StudyRefused) as caught:
        transform(odd)
    assert caught.value.code == Code.NO_GEOMETRY


def test_units_of_millimetres() -> None:
    assert transform(header(good(), good(), xyzt_units=10))[1] == (), "mm and seconds"
