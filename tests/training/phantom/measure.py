# SPDX-License-Identifier: Apache-2.0
"""Six-point morphometry and canal size from voxels alone, as a reader would measure them."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label, map_coordinates

from vcf_training.phantom import Phantom, Vertebra

ENDPLATE_HU = 600.0
"""Half way from the disc to what a 0.6 mm cortical shell reads at half a millimetre: the shell's outer edge."""
LANDMARK = 0.4


def heights(phantom: Phantom, vertebra: Vertebra, depth_mm: float) -> tuple[float, float, float]:
    """Anterior, middle and posterior height of a vertebra of an upright spine."""
    dz, dy, dx = phantom.volume.spacing_mm
    x, y, _ = vertebra.centre_mm
    z = np.arange(vertebra.z0_mm - 2.5, vertebra.z1_mm + 2.5, 0.1)
    found = []
    for v in (-LANDMARK * depth_mm, 0.0, LANDMARK * depth_mm):
        at = np.stack((z / dz, np.full_like(z, (y + v) / dy), np.full_like(z, x / dx)))
        bright = map_coordinates(phantom.volume.hu.astype(float), at, order=1) > ENDPLATE_HU
        middle = len(z) // 2
        found.append(0.1 * (_outer_edge(bright[middle:]) + _outer_edge(bright[middle::-1])))
    return found[0], found[1], found[2]


def _outer_edge(bright: NDArray[np.bool_]) -> int:
    """Samples from the first to the far side of the first bright run: outwards through an endplate."""
    first = int(np.argmax(bright))
    return first + int(np.argmin(bright[first:]))


def canal(phantom: Phantom, z_mm: float, bone_hu: float = 110.0) -> tuple[float, float, float, float] | None:
    """Middle x, y and extent x, y of the soft region that bone encloses about the canal; None where it is open."""
    dz, dy, dx = phantom.volume.spacing_mm
    k = round(z_mm / dz)
    regions, _ = label(phantom.volume.hu[k] < bone_hu)
    x, y = phantom.centre_line_mm[k]
    inside = regions == regions[round(y / dy), round(x / dx)]
    if inside[0].any() or inside[-1].any() or inside[:, 0].any() or inside[:, -1].any():
        return None
    rows, columns = np.nonzero(inside)
    return (
        float((columns.max() + columns.min()) / 2 * dx),
        float((rows.max() + rows.min()) / 2 * dy),
        float((columns.max() - columns.min() + 1) * dx),
        float((rows.max() - rows.min() + 1) * dy),
    )
