# SPDX-License-Identifier: Apache-2.0
"""Are these Hounsfield units? Air must lie near −1000 and soft tissue near 0, whatever was used as padding."""

import numpy as np
from numpy.typing import NDArray

from vcf.errors import Code, StudyRefused

LOWEST_HU = -1024
HIGHEST_HU = 32767
"""Metal is kept as bright as int16 holds."""

_AIR_HU = (-1150.0, -850.0)
_TISSUE_HU = (-250.0, 250.0)
_MIN_TISSUE_SHARE = 0.05
_MIN_AIR_SHARE = 2e-4
_DENSE_HU = 700
_MAX_DENSE_SHARE = 0.15
_MAX_STEP_HU = 8.0
_METAL_HU = 2500
_METAL_MM3 = 500.0


def refuse_bad_hu(sample: NDArray[np.float32], air_required: bool = True) -> None:
    """Raise StudyRefused unless a sample of raw values, before any clipping, looks like a body in air.

    Padding is no air: what scanners paint outside the reconstructed circle (−2000, −3024, …) is one value, give or
    take some noise of compression, and is left out. Air is judged by the low end of what remains, because lung and
    partial volumes lie above it.
    """
    values = _without_padding(sample[np.isfinite(sample)].ravel())
    if values.size == 0:
        raise StudyRefused(Code.BAD_HU, "all values are padding; a body in air near −1000 HU is accepted")
    tissue = float(np.mean((values >= _TISSUE_HU[0]) & (values <= _TISSUE_HU[1])))
    if tissue < _MIN_TISSUE_SHARE:
        raise StudyRefused(
            Code.BAD_HU,
            f"{tissue:.1%} of the values are those of soft tissue; {_MIN_TISSUE_SHARE:.0%} and more are accepted",
        )
    dense = float(np.mean(values > _DENSE_HU))
    if dense > _MAX_DENSE_SHARE:
        raise StudyRefused(
            Code.BAD_HU, f"{dense:.0%} of the values are those of dense bone; up to {_MAX_DENSE_SHARE:.0%} are accepted"
        )
    airy = values[values < -500]
    if airy.size < _MIN_AIR_SHARE * values.size:
        if air_required:
            raise StudyRefused(Code.BAD_HU, "no air was found; air near −1000 HU is accepted")
        return
    air = float(np.percentile(airy, 5))
    if not _AIR_HU[0] <= air <= _AIR_HU[1]:
        raise StudyRefused(Code.BAD_HU, f"air lies at {air:.0f} HU; air near −1000 HU is accepted")


def _without_padding(values: NDArray[np.float32]) -> NDArray[np.float32]:
    low = values[values < -1100]
    if low.size == 0 or low.size < 0.001 * values.size:
        return values
    bins, counts = np.unique(np.round(low / 16), return_counts=True)
    commonest = 16 * bins[counts.argmax()]
    padding = np.abs(values - commonest) <= 24
    few = np.count_nonzero(padding) < 0.8 * low.size  # noise of air spreads, padding does not
    return values if few else values[~padding]


def refuse_coarse(slope: float) -> None:
    """Raise StudyRefused where one step of the stored values is more than the contrast of soft tissues."""
    if abs(slope) > _MAX_STEP_HU:
        raise StudyRefused(
            Code.BAD_HU, f"one step of the stored values is {abs(slope):.0f} HU; up to {_MAX_STEP_HU:.0f} are accepted"
        )


def has_metal(hu: NDArray[np.int16], voxel_mm3: float) -> bool:
    """Whether more of the volume than a few calcifications is brighter than bone; every second row is looked at."""
    rows = hu[:, ::2]
    bright = sum(int(np.count_nonzero(s >= _METAL_HU)) for s in rows if s.max() >= _METAL_HU)  # few slices are
    return 2 * bright * voxel_mm3 >= _METAL_MM3
