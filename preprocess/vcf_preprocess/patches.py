# SPDX-License-Identifier: Apache-2.0
"""Volume and centre line in, 3-D patches along the spine out (paper §2.2).

A patch row follows the centre line, so the canal keeps its place in every patch whatever the kyphosis. Fourier
resampling and resizing are linear, hence one small matrix takes the slices straight to the 32 rows of a patch:
neither the resampled volume nor the sagittal one is ever formed. Only slices of the covered spine count: what lies
beyond, be it air, legs or a blank slice, changes no patch.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vcf_contract.errors import Code, StudyRefused
from vcf_contract.spec import FOURIER_MODE, MAX_PATCHES, PATCH, FourierMode, PatchSpec
from vcf_preprocess.centre_line import CentreLine
from vcf_preprocess.crop import Crop, Window, as_crop
from vcf_preprocess.fourier import resampled_length, resampling_matrix
from vcf_preprocess.tent import AIR_HU, tent_weights, tent_window
from vcf_preprocess.tiling import locations, patch_centres_mm, patch_count

Spacing = tuple[float, float, float]
_ROWS = 26
"""Front-to-back rows that a thread has as floating-point numbers at a time, at most: about an eighth of the box where
pixels are 0.7 mm, for memory and cache. Rows, since a row is in one piece in memory: parts of rows would fetch the same
cache lines again."""
_TOGETHER = 2
"""Patches whose rows one matrix product makes: neighbours need nearly the same voxels, which BLAS copies each time."""


@dataclass(frozen=True)
class PatchSet:
    """k patches from head to feet.

    patches
        (k, H, W, Z) in [0, 1]: rows head to feet, columns front to back, then right to left.
    location
        (k,) relative position of the centre, 0 cranial to 1 caudal.
    boxes_mm
        (k, 6) x0, y0, z0, x1, y1, z1 of the box about each patch, in mm from the centre of voxel (0, 0, 0).
    """

    patches: NDArray[np.float32]
    location: NDArray[np.float32]
    boxes_mm: NDArray[np.float32]


@dataclass(frozen=True)
class _Places:
    """Tell where the samples of k patches lie, in mm: heights (k, H) with the line's x and y there, places (k, H,
    ·)."""

    centres_mm: NDArray[np.float64]
    heights_mm: NDArray[np.float64]
    line_y: NDArray[np.float64]
    line_x: NDArray[np.float64]
    y: NDArray[np.float64]
    x: NDArray[np.float64]
    window: Window
    """All voxels of the volume that any sample is made of."""


@dataclass(frozen=True)
class _Added:
    """Values (H, some of W, Z) to be added to these front-to-back columns of a patch."""

    patch: int
    columns: slice
    values: NDArray[np.float32]


def window(shape: tuple[int, ...], spacing_mm: Spacing, line: CentreLine, spec: PatchSpec = PATCH) -> Window:
    """The rows and columns of a volume of this shape that `extract` reads, however much the patches overlap.

    Raises
    ------
    StudyRefused
        ``TOO_LONG``, as `extract` does.
    """
    dz, dy, dx = spacing_mm
    _refuse_too_long(line, dz, spec)
    _, width, depth = spec.grid
    behind_mm, left_mm = _across_mm(spec)
    y, x = line.points_mm[:, 1, None] + behind_mm, line.points_mm[:, 0, None] + left_mm
    return Window(
        tent_window(y, shape[1], dy, spec.box_mm[1] / width), tent_window(x, shape[2], dx, spec.box_mm[2] / depth)
    )


def extract(
    hu: NDArray[np.int16] | Crop,
    spacing_mm: Spacing,
    line: CentreLine,
    spec: PatchSpec = PATCH,
    mode: FourierMode = FOURIER_MODE,
    threads: int = 1,
    overlap: float = 0.0,
    location_mm: float | None = None,
) -> PatchSet:
    """Tile the covered spine of a volume, or of a crop that holds its `window`, with patches and window them.

    Parameters
    ----------
    threads
        How many work on the study; the patches are the same bits. Best where BLAS has one thread.
    overlap
        Share of its height that a patch has in common with the next one, at least.
    location_mm
        Where the volume's first slice lies in the patient, as `tiling.patch_centres_mm` needs it.

    Raises
    ------
    StudyRefused
        ``TOO_LONG`` if the spine needs more than ``MAX_PATCHES`` patches; ``BAD_INPUT`` if a crop lacks voxels.
    """
    crop = as_crop(hu)
    at = _places(crop.shape, spacing_mm, line, spec, overlap, location_mm)
    _, n_y, n_x = crop.shape
    dz, dy, dx = spacing_mm
    n_slices = len(line.points_mm)
    height, width, depth = spec.grid
    pitch_y, pitch_x = spec.box_mm[1] / width, spec.box_mm[2] / depth
    along_z = _fourier_rows(n_slices, spacing_mm, at.heights_mm - line.first_slice * dz, mode)
    in_y = [tent_window(places, n_y, dy, pitch_y) for places in at.y]
    along_y = [tent_weights(places, n_y, dy, pitch_y, rows) for places, rows in zip(at.y, in_y, strict=True)]
    along_x = [tent_weights(places, n_x, dx, pitch_x, at.window.x).transpose(0, 2, 1) for places in at.x]
    covered = slice(line.first_slice, line.first_slice + n_slices)
    box, first_y = crop.take(at.window)[covered], at.window.y.start

    # (W, rows): whether a column of the patch has anything of a row. Most have nothing of a part's rows.
    reached = [weights.max(0) > 0 for weights in along_y]

    def of_rows(part_y: slice) -> list[_Added]:
        """Tell what these rows of the box add to the patches.

        Left and right are weighed here too, though neighbouring parts share columns of a patch: 32 of them are a
        quarter of the box's memory, and threads do it.
        """
        part = box[:, part_y].astype(np.float32)
        fill_voids(part)
        part -= AIR_HU  # so that no weight at all reads as air
        held = slice(first_y + part_y.start, first_y + part_y.stop)
        added = []
        for start in range(0, len(in_y), _TOGETHER):
            group = range(start, min(start + _TOGETHER, len(in_y)))
            needed = {number: rows for number in group if (rows := _both(in_y[number], held))}
            if not needed:
                continue
            first, last = min(rows.start for rows in needed.values()), max(rows.stop for rows in needed.values())
            # Only these rows of the part: a view that BLAS takes without a copy.
            near = part[:, first - held.start : last - held.start]
            seen = along_z[group.start : group.stop].reshape(-1, n_slices) @ near.reshape(n_slices, -1)
            seen = seen.reshape(len(group), height, *near.shape[1:])
            for number, rows in needed.items():
                of_weights = slice(rows.start - in_y[number].start, rows.stop - in_y[number].start)
                columns = np.flatnonzero(reached[number][:, of_weights].any(1))
                if len(columns):
                    between = slice(int(columns[0]), int(columns[-1]) + 1)
                    weights = along_y[number][:, between, of_weights]
                    rows_seen = seen[number - start, :, rows.start - first : rows.stop - first]
                    added.append(_Added(number, between, np.matmul(weights, rows_seen) @ along_x[number]))
        return added

    patches = np.zeros((len(in_y), *spec.grid), np.float32)
    for added in _in_order(of_rows, _parts(box.shape[1]), threads):
        for one in added:
            patches[one.patch, :, one.columns] += one.values
    patches += AIR_HU
    low, high = spec.window_hu
    np.clip(patches, low, high, out=patches)
    patches -= low
    patches /= high - low
    centres_mm = at.centres_mm
    boxes = [
        at.line_x.min(1) - spec.half_width_mm,
        at.line_y.min(1) - spec.anterior_mm,
        centres_mm - spec.height_mm / 2,
        at.line_x.max(1) + spec.half_width_mm,
        at.line_y.max(1) + spec.posterior_mm,
        centres_mm + spec.height_mm / 2,
    ]
    top_mm, bottom_mm = _ends_mm(line, spacing_mm[0])
    return PatchSet(patches, locations(centres_mm, top_mm, bottom_mm), np.stack(boxes, -1).astype(np.float32))


def fill_voids(hu: NDArray[np.float32]) -> None:
    """Continue columns (z, y, x) that begin or end where nothing was scanned by their first or last value, in place.

    A tilt that was taken out leaves such voids, `AIR_HU` or below, in front of and behind the spine. Resampled, the
    step to them would ring, and what is left of a vertebra look crushed. Columns that are void throughout stay so.
    """
    for turned in (hu, hu[::-1]):  # from the feet, then from the head
        ends = turned[0] <= AIR_HU
        if not ends.any():
            continue
        columns = turned[:, ends]  # (z, columns)
        scanned = columns > AIR_HU
        first = scanned.argmax(0)
        void = (np.arange(len(columns))[:, None] < first) & scanned.any(0)
        if void.any():
            values = np.take_along_axis(columns, first[None], 0)
            turned[:, ends] = np.where(void, values, columns)


def _both(one: slice, other: slice) -> slice | None:
    """Tell what two ranges share; None if nothing."""
    shared = slice(max(one.start, other.start), min(one.stop, other.stop))
    return shared if shared.stop > shared.start else None


def _parts(rows: int) -> list[slice]:
    """An even number of about equal parts, so that two threads end together."""
    count = 2 * -(-rows // (2 * _ROWS))
    edges = [rows * part // count for part in range(count + 1)] if count else []
    return [slice(start, stop) for start, stop in pairwise(edges) if stop > start]


def _in_order(function: Callable[[slice], list[_Added]], parts: list[slice], threads: int) -> Iterator[list[_Added]]:
    """The function of each part in the parts' order, so that a sum does not depend on the number of threads."""
    if threads < 2 or len(parts) < 2:
        yield from map(function, parts)
        return
    with ThreadPoolExecutor(threads) as pool:
        yield from pool.map(function, parts)


def _ends_mm(line: CentreLine, spacing_z_mm: float) -> tuple[float, float]:
    """Top and bottom of the covered spine: its slices with their thickness."""
    return float(line.points_mm[-1, 2]) + spacing_z_mm / 2, float(line.points_mm[0, 2]) - spacing_z_mm / 2


def _refuse_too_long(line: CentreLine, spacing_z_mm: float, spec: PatchSpec) -> None:
    top_mm, bottom_mm = _ends_mm(line, spacing_z_mm)
    if (k := patch_count(top_mm - bottom_mm, spec.height_mm)) > MAX_PATCHES:
        raise StudyRefused(
            Code.TOO_LONG,
            f"{top_mm - bottom_mm:.0f} mm of spine need {k} patches, at most {MAX_PATCHES} are accepted",
        )


def _across_mm(spec: PatchSpec) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Tell where the columns of a patch lie behind the line, and left of it."""
    _, width, depth = spec.grid
    behind_mm = -spec.anterior_mm + (np.arange(width) + 0.5) / width * (spec.anterior_mm + spec.posterior_mm)
    return behind_mm, spec.half_width_mm * ((np.arange(depth) + 0.5) / depth * 2 - 1)


def _places(
    shape: tuple[int, ...],
    spacing_mm: Spacing,
    line: CentreLine,
    spec: PatchSpec,
    overlap: float,
    location_mm: float | None,
) -> _Places:
    dz = spacing_mm[0]
    points = line.points_mm
    reach = window(shape, spacing_mm, line, spec)
    centres_mm = patch_centres_mm(*_ends_mm(line, dz), spec.height_mm, overlap, location_mm)
    height = spec.grid[0]
    heights_mm = centres_mm[:, None] + spec.height_mm * (0.5 - (np.arange(height) + 0.5) / height)
    behind_mm, left_mm = _across_mm(spec)
    line_x, line_y = (np.interp(heights_mm, points[:, 2], points[:, i]) for i in (0, 1))
    y, x = line_y[..., None] + behind_mm, line_x[..., None] + left_mm
    return _Places(centres_mm, heights_mm, line_y, line_x, y, x, reach)


def _fourier_rows(
    n_slices: int, spacing_mm: Spacing, heights_mm: NDArray[np.float64], mode: FourierMode
) -> NDArray[np.float32]:
    """Matrices (k, H, slices) from the column of slices to the rows of each patch: resampling, then resizing."""
    n_rows = resampled_length(n_slices, spacing_mm[0], spacing_mm[1])
    row_mm = spacing_mm[0] * n_slices / n_rows
    pitch_mm = float(heights_mm[0, 0] - heights_mm[0, 1])
    fourier = resampling_matrix(n_slices, n_rows, mode)
    composed = []
    for heights in heights_mm:
        window = tent_window(heights, n_rows, row_mm, pitch_mm)
        composed.append(tent_weights(heights, n_rows, row_mm, pitch_mm, window) @ fourier[window])
    return np.stack(composed)
