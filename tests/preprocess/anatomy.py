# SPDX-License-Identifier: Apache-2.0
"""A smooth made-up anatomy as a function of patient position, so that any grid can be sampled exactly."""

import numpy as np

from vcf_preprocess.centre_line import CentreLine
from vcf_preprocess.geometry import Volume

HEIGHT_MM, DEPTH_MM, WIDTH_MM = 260.0, 200.0, 160.0


def canal_at(z):
    """Canal centre x, y at height z, all in mm from the anatomy's corner: kyphosis and a little scoliosis."""
    return 80 + 6 * np.sin(z / 60), 120 + 18 * np.sin(z / 90)


def hu_at(x, y, z):
    """Bodies and discs of 40 mm pitch in front of a canal, in HU; varies over no less than about 10 mm."""
    canal_x, canal_y = canal_at(z)
    body = np.exp(-(((x - canal_x) / 18) ** 2) - ((y - canal_y + 28) / 16) ** 2)
    canal = np.exp(-(((x - canal_x) / 9) ** 2) - ((y - canal_y) / 8) ** 2)
    return 20 + 500 * body * (1 + 0.6 * np.cos(2 * np.pi * z / 40)) - 150 * canal + 0.3 * x


def sample(spacing_mm, shift_mm=(0.0, 0.0, 0.0)):
    """The anatomy on a grid of this spacing (z, y, x) as a canonical volume, its origin at ``shift_mm``."""
    axes = [
        np.arange(round(extent / pitch)) * pitch + shift
        for extent, pitch, shift in zip((HEIGHT_MM, DEPTH_MM, WIDTH_MM), spacing_mm, shift_mm, strict=True)
    ]
    z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
    affine = np.diag([*spacing_mm[::-1], 1.0])
    affine[:3, 3] = shift_mm[::-1]
    return Volume(np.rint(hu_at(x, y, z)).astype(np.int16), tuple(spacing_mm), affine)


def true_line(volume, first=0, last=None):
    """The anatomy's own centre line on the slices of a volume."""
    dz = volume.spacing_mm[0]
    z = np.arange(first, len(volume.hu) if last is None else last) * dz
    ox, oy, oz = volume.affine[:3, 3]
    x, y = canal_at(z + oz)
    return CentreLine(first, np.stack([x - ox, y - oy, z], -1), ())
