# SPDX-License-Identifier: Apache-2.0
"""Canonical volumes: any axis-aligned stack of slices turned to z feet→head, y front→back, x right→left."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Volume:
    """A canonical CT volume.

    hu
        int16 Hounsfield units, index order (z, y, x).
    spacing_mm
        Voxel spacing along (z, y, x).
    affine
        4 × 4, maps homogeneous voxel indices in the order (x, y, z) to patient LPS millimetres (x, y, z);
        that of NIfTI but with LPS signs. Close to diagonal: a small obliquity of the scan stays in it.
    """

    hu: NDArray[np.int16]
    spacing_mm: tuple[float, float, float]
    affine: NDArray[np.float64]

    def to_lps_mm(self, points_mm: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Map points (…, 3), x y z in mm from the centre of voxel (0, 0, 0), to patient LPS mm."""
        index = np.asarray(points_mm, np.float64) / np.asarray(self.spacing_mm[::-1])
        lps: NDArray[np.float64] = index @ self.affine[:3, :3].T + self.affine[:3, 3]
        return lps

    @property
    def slice_location_mm(self) -> float:
        """Tell where the first slice lies along the volume's z axis, from the patient's origin (Slice Location, DICOM
        PS3.3 C.7.6.2.1.2), to a hundredth of a millimetre.

        A file's decimal digits and a request's 32 bits differ by less than that: the same patches from either.
        """
        axis = self.affine[:3, 2] / np.linalg.norm(self.affine[:3, 2])
        return float(np.float32(round(float(axis @ self.affine[:3, 3]), 2)))

    def part(self, first: int, stop: int) -> "Volume":
        """Slices from ``first`` to before ``stop``, where they lie in the patient; the voxels are not copied."""
        return replace(self, hu=self.hu[first:stop], affine=affine_from(self.affine, 2, first))


def affine_from(affine: NDArray[np.float64], axis: int, first: float) -> NDArray[np.float64]:
    """The affine of the part of a volume that begins at index ``first`` of the axis in that column of its affine."""
    moved = np.array(affine, np.float64)
    moved[:3, 3] += first * moved[:3, axis]
    return moved


def canonicalise(stored: NDArray[np.int16], affine: NDArray[np.float64]) -> Volume:
    """Permute and flip a volume's axes until they run along patient L, P and S; intensities are untouched.

    Parameters
    ----------
    stored
        Volume of three axes in any order and direction.
    affine
        4 × 4, maps its homogeneous indices (in the order of its axes) to patient LPS mm.

    Raises
    ------
    ValueError
        If two axes of the volume lie closest to the same patient axis.
    """
    direction = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    patient_axis = np.abs(direction).argmax(axis=0)  # for each stored axis: 0 x, 1 y, 2 z
    if sorted(patient_axis) != [0, 1, 2]:
        raise ValueError(f"axes must lie near three different patient axes, their nearest are {patient_axis.tolist()}")
    from_axis = np.argsort(patient_axis)  # stored axis that runs along x, y, z
    turned = np.array(affine, np.float64)
    view = stored
    for axis in range(3):
        if direction[patient_axis[axis], axis] < 0:
            turned[:3, 3] += turned[:3, axis] * (stored.shape[axis] - 1)
            turned[:3, axis] *= -1
            view = np.flip(view, axis)
    turned[:3, :3] = turned[:3, from_axis]
    view = view.transpose(from_axis[::-1])
    spacing = np.linalg.norm(turned[:3, :3], axis=0)[::-1]
    return Volume(np.ascontiguousarray(view), (float(spacing[0]), float(spacing[1]), float(spacing[2])), turned)
