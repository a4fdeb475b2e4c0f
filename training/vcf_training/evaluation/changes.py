# SPDX-License-Identifier: Apache-2.0
"""Changes of a CT that change nothing about the patient: the same spine, cut, blanked, tilted, brightened or blurred.

Each is made of the canonical volume, so the server could be sent any of them. A cut never takes a fracture away.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcf_client.acceptance import MAX_THICKNESS_MM
from vcf_client.dicom.tilt import unshear
from vcf_contract.spec import MIN_COVERAGE_MM
from vcf_preprocess.crop import Window, cut
from vcf_preprocess.geometry import Volume, affine_from
from vcf_preprocess.tent import AIR_HU
from vcf_training.phantom import Vertebra

TRIM_MM = tuple(np.linspace(3, 60, 12).tolist())
"""Cut off one end, then off the other: 24 offsets."""
KEPT_MM = 15.0
"""A cut leaves this much beyond a fractured vertebra: a disc and half of the next body."""
BLANK_SLICES = (1, 4)
"""So many slices of air at each end."""
TILT_DEG = (-20.0, 20.0)
TILT_REACH_MM = 70.0
"""Rows about the canal that a tilted scan still covers in all of its slices."""
GAINS = (0.9, 1.1)
NOISE_HU = (15.0, 30.0)
VIEW_MM = 260.0
"""A field of view that the reader still accepts."""
MARGIN_MM = 40.0
KINDS = {
    "trimmed": "3 to 60 mm cut off one end, 24 offsets",
    "blank ends": "slices of air added at both ends",
    "tilt": "a gantry tilt of 20° to either side, taken out again as the reader does",
    "brightness": "all Hounsfield units 10 % further from water or nearer to it",
    "half the slices": "every second slice alone",
    "field of view": f"cut to {VIEW_MM:.0f} mm about the canal; {MARGIN_MM:.0f} mm of air on each side",
    "noise": "Gaussian noise of 15 and 30 HU added",
    "thickness": "each slice averaged with its neighbours, or in pairs",
}


@dataclass(frozen=True)
class Change:
    """One change; ``make`` gives the changed volume."""

    kind: str
    name: str
    make: Callable[[], Volume]

    def __str__(self) -> str:
        return f"{self.kind}: {self.name}"


def changes(volume: Volume, canal_mm: NDArray[np.floating[Any]], fractures: Sequence[Vertebra]) -> Iterator[Change]:
    """All changes that fit a volume, in the order of `KINDS`.

    Parameters
    ----------
    canal_mm
        (n, 3): x, y, z of the canal's centre line, in mm from the centre of voxel (0, 0, 0).
    fractures
        Vertebrae that no cut may take away.
    """
    y_mm, halves = float(canal_mm[:, 1].mean()), 2 * volume.spacing_mm[0] <= MAX_THICKNESS_MM
    yield from _trims(volume, fractures)
    for count in BLANK_SLICES:
        yield Change("blank ends", f"{count} at each end", partial(_blank, volume, count))
    for degrees in TILT_DEG:
        low, high = _tilt_covers(volume, degrees)
        safe = all(low + KEPT_MM <= v.z0_mm and v.z1_mm <= high - KEPT_MM for v in fractures)
        if safe and high - low >= MIN_COVERAGE_MM:
            yield Change("tilt", f"{degrees:+.0f}°", partial(tilted, volume, degrees, y_mm))
    for gain in GAINS:
        yield Change("brightness", f"× {gain:g}", partial(_brighter, volume, gain))
    for first in (0, 1) if halves else ():
        yield Change("half the slices", f"from slice {first}", partial(_every_second, volume, first))
    yield from _views(volume, canal_mm)
    for sigma in NOISE_HU:
        yield Change("noise", f"{sigma:g} HU", partial(_noisy, volume, sigma))
    yield Change("thickness", "mean of three", partial(_mean_of_three, volume))
    if halves:
        yield Change("thickness", "mean of pairs", partial(_paired, volume))


def _trims(volume: Volume, fractures: Sequence[Vertebra]) -> Iterator[Change]:
    dz, count = volume.spacing_mm[0], len(volume.hu)
    low = min((v.z0_mm for v in fractures), default=np.inf) - KEPT_MM
    high = max((v.z1_mm for v in fractures), default=-np.inf) + KEPT_MM
    for mm in TRIM_MM:
        n = max(1, round(mm / dz))
        if (count - n) * dz < MIN_COVERAGE_MM:
            continue
        if n * dz <= low:
            yield Change("trimmed", f"{n * dz:.0f} mm at the feet", partial(volume.part, n, count))
        if (count - n) * dz >= high:
            yield Change("trimmed", f"{n * dz:.0f} mm at the head", partial(volume.part, 0, count - n))


def _views(volume: Volume, canal_mm: NDArray[np.floating[Any]]) -> Iterator[Change]:
    _, dy, dx = volume.spacing_mm
    rows, columns = (round(VIEW_MM / mm) for mm in (dy, dx))
    if volume.hu.shape[1] > rows and volume.hu.shape[2] > columns:
        x, y = (float(canal_mm[:, i].mean()) for i in (0, 1))
        # A scanner centres the body: the canal lies in the back third.
        first_y = int(np.clip(round(y / dy) - rows * 2 // 3, 0, volume.hu.shape[1] - rows))
        first_x = int(np.clip(round(x / dx) - columns // 2, 0, volume.hu.shape[2] - columns))
        window = Window(slice(first_y, first_y + rows), slice(first_x, first_x + columns))
        yield Change("field of view", "cut", partial(_cut, volume, window))
    margin = (0, round(MARGIN_MM / dy), round(MARGIN_MM / dx))
    yield Change("field of view", "margins", partial(_padded, volume, margin))


def _with(volume: Volume, hu: NDArray[np.floating[Any]]) -> Volume:
    """The volume with other voxels, as a file would hold them."""
    return replace(volume, hu=np.rint(hu).clip(AIR_HU, 32767).astype(np.int16))


def _cut(volume: Volume, window: Window) -> Volume:
    affine = affine_from(affine_from(volume.affine, 1, window.y.start), 0, window.x.start)
    return replace(volume, hu=cut(volume.hu, window).hu, affine=affine)


def _padded(volume: Volume, margin: tuple[int, int, int]) -> Volume:
    affine = volume.affine
    for axis, count in enumerate(reversed(margin)):
        affine = affine_from(affine, axis, -count)
    return replace(volume, hu=np.pad(volume.hu, [(n, n) for n in margin], constant_values=AIR_HU), affine=affine)


def _blank(volume: Volume, count: int) -> Volume:
    return _padded(volume, (count, 0, 0))


def _brighter(volume: Volume, gain: float) -> Volume:
    return _with(volume, volume.hu * np.float32(gain))


def _every_second(volume: Volume, first: int) -> Volume:
    return replace(_thicker(volume, first), hu=np.ascontiguousarray(volume.hu[first::2]))


def _paired(volume: Volume) -> Volume:
    even = len(volume.hu) // 2 * 2
    mean = (volume.hu[0:even:2].astype(np.float32) + volume.hu[1:even:2]) / 2
    return _with(_thicker(volume, 0.5), mean)


def _thicker(volume: Volume, first: float) -> Volume:
    """The volume with slices twice as far apart, the first of them at this index of its own; voxels as they were."""
    dz, dy, dx = volume.spacing_mm
    affine = affine_from(volume.affine, 2, first)
    affine[:3, 2] *= 2
    return replace(volume, spacing_mm=(2 * dz, dy, dx), affine=affine)


def _mean_of_three(volume: Volume) -> Volume:
    hu = volume.hu
    padded = np.concatenate([hu[:1], hu, hu[-1:]]).astype(np.float32)
    return _with(volume, (padded[:-2] + padded[1:-1] + padded[2:]) / 3)


def _noisy(volume: Volume, sigma_hu: float) -> Volume:
    noise = np.random.default_rng(0).standard_normal(volume.hu.shape, np.float32) * np.float32(sigma_hu)
    return _with(volume, volume.hu + noise)


def _rise(volume: Volume, degrees: float) -> float:
    """Slices by which a row of the tilted stack lies above the row before it."""
    return float(np.tan(np.radians(degrees)) * volume.spacing_mm[1] / volume.spacing_mm[0])


def _tilted_slices(volume: Volume, degrees: float) -> tuple[int, int]:
    """First slice of the tilted stack, counted where it crosses the canal, and the one behind the last."""
    reach = abs(_rise(volume, degrees)) * TILT_REACH_MM / volume.spacing_mm[1]
    return int(np.ceil(reach)), len(volume.hu) - int(np.ceil(reach))


def _tilt_covers(volume: Volume, degrees: float) -> tuple[float, float]:
    """Lowest and highest z in mm that all rows about the canal show once the tilt is taken out again."""
    first, stop = _tilted_slices(volume, degrees)
    return 2 * first * volume.spacing_mm[0], (stop - first) * volume.spacing_mm[0]


def tilted(volume: Volume, degrees: float, canal_y_mm: float) -> Volume:
    """A volume as the reader gives it of a scan with a gantry tilt: sheared, then upright again, with voids.

    The tilted slices are interpolated between those of the volume. They reach as far along the table as rows within
    `TILT_REACH_MM` of the canal are known; what the volume does not show is air.
    """
    rise, count = _rise(volume, degrees), len(volume.hu)
    first, stop = _tilted_slices(volume, degrees)
    middle = canal_y_mm / volume.spacing_mm[1]
    leaning = np.full((stop - first, *volume.hu.shape[1:]), AIR_HU, np.int16)
    for row in range(volume.hu.shape[1]):
        at = np.arange(first, stop) + rise * (row - middle)
        inside = np.flatnonzero((at >= 0) & (at <= count - 1))
        below = np.minimum(at[inside].astype(int), count - 2)
        share = (at[inside] - below)[:, None].astype(np.float32)
        mixed = volume.hu[below, row] * (1 - share) + volume.hu[below + 1, row] * share
        leaning[inside, row] = np.rint(mixed)
    affine = np.array(volume.affine)[:, [2, 1, 0, 3]]  # of the axes slice, row, column
    affine[:3, 3] += (first - rise * middle) * affine[:3, 0]
    affine[:3, 1] += rise * affine[:3, 0]
    upright = unshear(leaning, affine)
    start, end = upright.about_spine()
    moved = affine_from(upright.affine, 0, start)[:, [2, 1, 0, 3]]
    return replace(volume, hu=np.ascontiguousarray(upright.hu[start:end]), affine=moved)
