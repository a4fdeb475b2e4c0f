# SPDX-License-Identifier: Apache-2.0
"""All of paper §2.2 in one call: a volume and the detector's answer in, the networks' input and the picture out."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcf_contract.errors import Code, StudyRefused
from vcf_contract.spec import DETECTOR
from vcf_preprocess import centre_line, patches, sagittal, yolo
from vcf_preprocess.crop import Crop, Window
from vcf_preprocess.slices import image_to_volume_mm


@dataclass(frozen=True)
class Spine:
    """Tell what the networks and the findings need of a volume; shapes as in ``vcf_contract.contract``."""

    patches: NDArray[np.float32]
    location: NDArray[np.float32]
    patch_boxes_mm: NDArray[np.float32]
    centre_line_mm: NDArray[np.float32]
    midsagittal: NDArray[np.int16]
    midsagittal_mm: NDArray[np.float32]
    flags: tuple[Code, ...]


def locate(
    shape: tuple[int, ...],
    spacing_mm: tuple[float, float, float],
    slice_indices: NDArray[np.integer[Any]],
    canal_grid: NDArray[np.float32],
) -> centre_line.CentreLine:
    """Decode the boxes of the examined slices and fit the centre line.

    Raises
    ------
    StudyRefused
        ``SPINE_NOT_FOUND``; ``BAD_INPUT`` if the slices are not those of a volume of this shape.
    """
    indices = np.asarray(slice_indices)
    in_order = len(indices) == len(canal_grid) and bool((np.diff(indices) > 0).all())
    if not in_order or not len(indices) or indices[0] < 0 or indices[-1] >= shape[0]:
        raise StudyRefused(
            Code.BAD_INPUT,
            f"slice_indices must ascend from 0 to at most {shape[0] - 1} and be as many as the {len(canal_grid)} "
            f"slice images, found {len(indices)}",
        )
    boxes = yolo.decode(canal_grid)
    centres_mm = image_to_volume_mm(boxes.centre_px, shape, spacing_mm)
    width_mm = boxes.size_px[:, 0] * DETECTOR.pixel_mm
    line = centre_line.fit(
        indices * spacing_mm[0], centres_mm, boxes.confidence, shape[0], spacing_mm[0], width_mm=width_mm
    )
    return replace(line, points_mm=centre_line.as_sent(line.points_mm))


def window(shape: tuple[int, ...], spacing_mm: tuple[float, float, float], line: centre_line.CentreLine) -> Window:
    """The rows and columns of a volume of this shape that the patches need: a crop of them is enough for `reconstruct`.

    The picture of such a crop shows no more rows than the patches do. It is for the eye alone; who has the volume
    makes the whole one with `sagittal.midsagittal`.

    Raises
    ------
    StudyRefused
        ``TOO_LONG``.
    """
    tiles, view = patches.window(shape, spacing_mm, line), sagittal.window(shape, spacing_mm, line)
    rows = tiles.y if tiles.y.stop > tiles.y.start else view.y
    return tiles | Window(rows, view.x)


def reconstruct(
    hu: NDArray[np.int16] | Crop,
    spacing_mm: tuple[float, float, float],
    line: centre_line.CentreLine,
    *,
    threads: int = 1,
    overlap: float = 0.0,
    location_mm: float | None = None,
) -> Spine:
    """Patches and picture along a centre line of a canonical volume (z, y, x), or of a crop that holds its `window`;
    ``threads``, ``overlap`` and ``location_mm`` as in `patches.extract`, and one more thread for the picture if there
    are several.

    Raises
    ------
    StudyRefused
        ``TOO_LONG``; ``BAD_INPUT`` if a crop lacks voxels.
    """
    if threads < 2:
        tiles = patches.extract(hu, spacing_mm, line, overlap=overlap, location_mm=location_mm)
        view = sagittal.midsagittal(hu, spacing_mm, line)
    else:
        with ThreadPoolExecutor(1) as beside:
            picture = beside.submit(sagittal.midsagittal, hu, spacing_mm, line)
            tiles = patches.extract(hu, spacing_mm, line, threads=threads, overlap=overlap, location_mm=location_mm)
            view = picture.result()
    return Spine(
        tiles.patches[..., None],
        tiles.location,
        tiles.boxes_mm,
        line.points_mm.astype(np.float32),
        view.hu,
        view.place_mm,
        line.flags,
    )


def prepare(
    hu: NDArray[np.int16],
    spacing_mm: tuple[float, float, float],
    slice_indices: NDArray[np.integer[Any]],
    canal_grid: NDArray[np.float32],
    overlap: float = 0.0,
    location_mm: float | None = None,
) -> Spine:
    """Centre line, patches and picture of a canonical volume (z, y, x); ``overlap`` and ``location_mm`` as in
    `patches.extract`.

    Raises
    ------
    StudyRefused
        ``SPINE_NOT_FOUND``, ``TOO_LONG`` or ``BAD_INPUT``.
    """
    line = locate(hu.shape, spacing_mm, slice_indices, canal_grid)
    return reconstruct(hu, spacing_mm, line, overlap=overlap, location_mm=location_mm)
