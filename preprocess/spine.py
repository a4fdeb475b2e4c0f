# SPDX-License-Identifier: Apache-2.0
"""All of paper §2.2 in one call: a volume and the detector's answer in, the networks' input and the picture out."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from preprocess import centre_line, yolo
from preprocess.patches import extract
from preprocess.sagittal import midsagittal
from preprocess.slices import image_to_volume_mm
from vcf.errors import Code


@dataclass(frozen=True)
class Spine:
    """What the networks and the findings need of a volume; shapes as in the contract of ``spine_patches``."""

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
        ``SPINE_NOT_FOUND``.
    """
    boxes = yolo.decode(canal_grid)
    centres_mm = image_to_volume_mm(boxes.centre_px, shape, spacing_mm)
    return centre_line.fit(slice_indices * spacing_mm[0], centres_mm, boxes.confidence, shape[0], spacing_mm[0])


def with_flips(patches: NDArray[np.float32]) -> NDArray[np.float32]:
    """Patches (k, H, W, Z) and their left-right mirror images as (2k, H, W, Z, 1), in the order of FLIPS."""
    both: NDArray[np.float32] = np.concatenate([patches, patches[..., ::-1]])[..., None]
    return both


def prepare(
    hu: NDArray[np.int16],
    spacing_mm: tuple[float, float, float],
    slice_indices: NDArray[np.integer[Any]],
    canal_grid: NDArray[np.float32],
) -> Spine:
    """Centre line, patches and picture of a canonical volume (z, y, x).

    Raises
    ------
    StudyRefused
        ``SPINE_NOT_FOUND`` or ``TOO_LONG``.
    """
    line = locate(hu.shape, spacing_mm, slice_indices, canal_grid)
    tiles = extract(hu, spacing_mm, line)
    view = midsagittal(hu, spacing_mm, line)
    return Spine(
        with_flips(tiles.patches),
        tiles.location,
        tiles.boxes_mm,
        line.points_mm.astype(np.float32),
        view.hu,
        view.place_mm,
        line.flags,
    )
