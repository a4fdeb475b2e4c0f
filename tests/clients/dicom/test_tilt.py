# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from vcf_client.dicom.tilt import unshear


@pytest.mark.parametrize("axis", [1, 2])
@pytest.mark.parametrize("lean_mm", [-0.31, 0.17, 0.6])
def test_against_scipy(axis: int, lean_mm: float) -> None:
    """Every voxel that is covered is the linear interpolation of the stack at its place in the patient."""
    rng = np.random.default_rng(3)
    stored = rng.integers(-900, 2000, (9, 14, 12)).astype(np.int16)
    affine = np.diag([2.5, 0.8, 0.7, 1.0])
    affine[:3, 3] = 5, 6, 7
    affine[0, axis] = lean_mm
    made = unshear(stored, affine)
    upright, corrected = made.hu, made.affine
    assert abs(corrected[:3, 0] @ corrected[:3, axis]) < 1e-9
    index = np.stack(np.meshgrid(*(np.arange(n) for n in upright.shape), indexing="ij"), -1).reshape(-1, 3)
    places = index @ corrected[:3, :3].T + corrected[:3, 3]
    source = np.linalg.solve(affine[:3, :3], (places - affine[:3, 3]).T)
    expected = map_coordinates(stored.astype(float), source, order=1, mode="nearest")
    inside = (source[0] > -1e-9) & (source[0] < 8 + 1e-9)
    assert inside.sum() >= stored.size * 0.85
    np.testing.assert_allclose(upright.reshape(-1)[inside], expected[inside], atol=0.51)
    outside = (source[0] < -0.51) | (source[0] > 8.51)
    assert np.all(upright.reshape(-1)[outside] == -1024)


def test_whole_slices_of_lean_are_exact() -> None:
    stored = np.arange(4 * 3 * 2, dtype=np.int16).reshape(4, 3, 2)
    affine = np.eye(4)
    affine[0, 1] = 1.0
    upright = unshear(stored, affine).hu
    assert upright.shape == (6, 3, 2)
    for line in range(3):
        np.testing.assert_array_equal(upright[line : line + 4, line], stored[:, line])
