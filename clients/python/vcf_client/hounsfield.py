# SPDX-License-Identifier: Apache-2.0
"""Are these Hounsfield units? Air must lie near −1000 and soft tissue near 0, whatever was used as padding.

Where there is no air, fat and bone must be where they are in CT.
"""

import numpy as np
from numpy.typing import NDArray

from vcf_contract.errors import Code, StudyRefused

LOWEST_HU = -1024
HIGHEST_HU = 32767
"""Metal is kept as bright as int16 holds."""

_AIR_HU = (-1150.0, -850.0)
_BELOW_ALL_AIR_HU = -1300.0
_TISSUE_HU = (-250.0, 250.0)
_MIN_TISSUE_SHARE = 0.05
_MIN_AIR_SHARE = 2e-4
_MIN_MEASURED_SHARE, _LUNG_HU = 0.02, -700.0
"""Where most of the air is a single value, painted or clipped: what else is airy must be air or lung."""
_DENSE_HU = 700
_MAX_DENSE_SHARE = 0.15
_MAX_STEP_HU = 8.0
_FEW_VALUES = 100
_FAT_BELOW_HU, _MIN_FAT_SHARE = -20, 0.02
"""At least 11 % lie below in crops about the spine of public CTs."""
_BETWEEN_BELOW_HU, _MAX_BETWEEN_SHARE = -200, 0.15
"""Only partial volumes and noise lie between air and fat: up to 7 % in those CTs."""
_BONE_PERCENTILES, _BONE_HU = (99.0, 99.9), (250, 400)
"""What these percentiles of tissue must reach: in those CTs they lie from 380 and 690 HU on."""
_METAL_HU = 2500
_METAL_MM3 = 500.0


def refuse_bad_hu(sample: NDArray[np.float32]) -> None:
    """Raise StudyRefused unless a sample of raw values, before any clipping, looks like a body in Hounsfield units.

    Padding is no air: what scanners paint outside the reconstructed circle (−2000, −3024, …) is one value, give or
    take some noise of compression, and is left out. Air is judged by the low end of what remains, because lung and
    partial volumes lie above it. Where no air is in view, as in a crop about the spine, fat and bone must be.
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
        _refuse_without_air(values)
        return
    air = float(np.percentile(airy, 5))
    if not _AIR_HU[0] <= air <= _AIR_HU[1]:
        raise StudyRefused(Code.BAD_HU, f"air lies at {air:.0f} HU; air near −1000 HU is accepted")
    painted, times = np.unique(airy, return_counts=True)
    measured = airy[airy != painted[times.argmax()]]
    if times.max() > 0.3 * airy.size and measured.size >= _MIN_MEASURED_SHARE * values.size:
        air = float(np.percentile(measured, 5))
        if not _AIR_HU[0] <= air <= _LUNG_HU:
            raise StudyRefused(
                Code.BAD_HU,
                f"beside {painted[times.argmax()]:.0f}, painted as air, air or lung lies at {air:.0f} HU; air near "
                "−1000 HU is accepted",
            )


def _refuse_without_air(values: NDArray[np.float32]) -> None:
    """Raise StudyRefused where the values are no CT of a trunk, or on another scale, as far as tissue alone tells.

    Masks have few values, windows of 8 bits, MR and PET none below 0, standardised values a narrow range; on a scale
    that is too small, bone is too dark, and air turns up where there is no tissue.
    """
    low, high = float(values.min()), float(values.max())
    seen = f"no air was found, the values go from {low:.5g} to {high:.5g}"
    different = int(np.unique(values).size)
    fat = float(np.mean(values < _FAT_BELOW_HU))
    between = float(np.mean((values >= -500) & (values < _BETWEEN_BELOW_HU)))
    bright = np.percentile(values[values >= _TISSUE_HU[0]], _BONE_PERCENTILES)
    problem = ""
    if different < _FEW_VALUES:
        problem = f"only {different} of them differ, as in a mask; {_FEW_VALUES} and more are accepted"
    elif fat < _MIN_FAT_SHARE:
        problem = f"{fat:.1%} lie below {_FAT_BELOW_HU}, where fat is; {_MIN_FAT_SHARE:.0%} and more are accepted"
    elif between > _MAX_BETWEEN_SHARE:
        problem = f"{between:.0%} lie between those of air and of fat; up to {_MAX_BETWEEN_SHARE:.0%} are accepted"
    elif np.any(bright < _BONE_HU):
        problem = f"the brightest hundredth begins at {bright[0]:.5g}; bone from {_BONE_HU[0]} HU on is accepted"
    if problem:
        raise StudyRefused(Code.BAD_HU, f"{seen}; {problem}")


def _without_padding(values: NDArray[np.float32]) -> NDArray[np.float32]:
    low = values[values < -1100]
    if low.size == 0 or low.size < 0.001 * values.size:
        return values
    bins, counts = np.unique(np.round(low / 16), return_counts=True)
    commonest = 16 * bins[counts.argmax()]
    padding = np.abs(values - commonest) <= 24
    if np.count_nonzero(padding) >= 0.8 * low.size:  # noise of air spreads, padding does not
        kept: NDArray[np.float32] = values[~padding]
        return kept
    # But for that of compression with loss, about a padding far below air: then there is air beside it, where air lies.
    rest: NDArray[np.float32] = values[values >= _BELOW_ALL_AIR_HU]
    airy = rest[rest < -500]
    air = np.count_nonzero(np.abs(airy + 1000) <= 100)
    beside = airy.size >= _MIN_AIR_SHARE * values.size and air >= 0.4 * airy.size
    return rest if commonest < _BELOW_ALL_AIR_HU and beside else values


def refuse_coarse(slope: float) -> None:
    """Raise StudyRefused where one step of the stored values is more than the contrast of soft tissues."""
    if abs(slope) > _MAX_STEP_HU:
        raise StudyRefused(
            Code.BAD_HU, f"one step of the stored values is {abs(slope):.0f} HU; up to {_MAX_STEP_HU:.0f} are accepted"
        )


def has_metal(hu: NDArray[np.int16], voxel_mm3: float) -> bool:
    """Return whether more than a few calcifications is brighter than bone; every second row is looked at."""
    rows = hu[:, ::2]
    bright = sum(int(np.count_nonzero(s >= _METAL_HU)) for s in rows if s.max() >= _METAL_HU)  # few slices are
    return 2 * bright * voxel_mm3 >= _METAL_MM3
