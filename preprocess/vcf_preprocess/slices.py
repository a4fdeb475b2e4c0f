# SPDX-License-Identifier: Apache-2.0
"""Axial slices for the detector: one every 30 mm (paper §2.1), at its pixel size and intensity window."""

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from vcf_contract.spec import DETECTOR, DetectorSpec
from vcf_preprocess.body import body_slices
from vcf_preprocess.tent import tent_weights, tent_window
from vcf_preprocess.tiling import multiples_between


def pick(
    n_slices: int, spacing_z_mm: float, every_mm: float = DETECTOR.slice_every_mm, location_mm: float = 0.0
) -> NDArray[np.int32]:
    """Indices, ascending, of the slices nearest to … −30, 0, 30, 60 … mm in the patient; the first and the last slice
    always, and none nearer to these than half of 30 mm.

    Numbers count as float32, as requests carry them: at 2.4 mm, slices 12 and 13 are equally near to 30 mm, and
    client and server, training and serving must choose the same one.

    Parameters
    ----------
    location_mm
        Where the first slice lies in the patient.

    Raises
    ------
    ValueError
        If there are fewer than 2 slices or a spacing is not positive.
    """
    if n_slices < 2 or not spacing_z_mm > 0 or not every_mm > 0:
        raise ValueError(
            "needs at least 2 slices and positive spacings, "
            f"found {n_slices} slices, {spacing_z_mm} mm apart, one every {every_mm} mm"
        )
    spacing_z_mm = float(np.float32(spacing_z_mm))
    height_mm = (n_slices - 1) * spacing_z_mm
    wanted_mm = multiples_between(every_mm / 2, height_mm - every_mm / 2, every_mm, location_mm)
    between = np.round(wanted_mm / spacing_z_mm).clip(0, n_slices - 1).astype(np.int32)
    return np.unique(np.array([0, *between, n_slices - 1], np.int32))


def pick_body(
    hu: NDArray[Any], spacing_mm: tuple[float, float, float], location_mm: float | None = None
) -> NDArray[np.int32]:
    """Indices, ascending, of the slices of a volume (z, y, x) that the detector examines: `pick` among those from the
    first to the last that show a body. Blank slices at an end shift none of them, and the centre line ends with them.

    All slices count where none shows a body, or fewer than two: the detector says then that there is no spine.

    Parameters
    ----------
    location_mm
        Where the volume's first slice lies in the patient. Where that is not known, the first one that shows a body
        lies at 0.
    """
    first, stop = body_slices(hu, spacing_mm[1:]) or (0, len(hu))
    if stop - first < 2:
        first, stop = 0, len(hu)
    begins_mm = 0.0 if location_mm is None else location_mm + first * spacing_mm[0]
    return pick(stop - first, spacing_mm[0], location_mm=begins_mm) + np.int32(first)


def detector_images(
    hu: NDArray[np.int16],
    spacing_mm: tuple[float, float, float],
    indices: NDArray[np.integer[Any]],
    spec: DetectorSpec = DETECTOR,
    threads: int = 1,
) -> NDArray[np.float32]:
    """Detector images (n, image_px, image_px, 1) in [0, 1] of the slices ``hu[indices]``, centred on the slice.

    Intensities are windowed first: metal and padding must not bleed into their neighbours. Outside the slice
    reads as 0, the window's lower end. Each image is one thread's work.
    """
    (y, rows), (x, columns) = (_axis(hu.shape[axis], spacing_mm[axis], spec) for axis in (1, 2))
    low, high = spec.window_hu
    images = np.empty((len(indices), spec.image_px, spec.image_px, 1), np.float32)

    def make_image(number: int) -> None:
        clipped = np.clip(hu[indices[number], y, x], low, high)
        clipped -= low
        window = clipped.astype(np.float32)
        window /= high - low
        images[number, ..., 0] = (columns @ np.ascontiguousarray((rows @ window).T)).T

    if threads < 2:
        for number in range(len(indices)):
            make_image(number)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(make_image, range(len(indices))))
    return images


def image_to_volume_mm(
    places_px: NDArray[np.floating[Any]],
    shape: tuple[int, ...],
    spacing_mm: tuple[float, float, float],
    spec: DetectorSpec = DETECTOR,
) -> NDArray[np.float64]:
    """Map (…, 2) places x, y in detector pixels (0 is the image's edge) to mm from the centre of voxel (·, 0, 0)."""
    centre = np.array([(shape[2] - 1) * spacing_mm[2], (shape[1] - 1) * spacing_mm[1]]) / 2
    return (np.asarray(places_px, np.float64) - spec.image_px / 2) * spec.pixel_mm + centre


def volume_to_image_px(
    places_mm: NDArray[np.floating[Any]],
    shape: tuple[int, ...],
    spacing_mm: tuple[float, float, float],
    spec: DetectorSpec = DETECTOR,
) -> NDArray[np.float64]:
    """The inverse of `image_to_volume_mm`."""
    centre = np.array([(shape[2] - 1) * spacing_mm[2], (shape[1] - 1) * spacing_mm[1]]) / 2
    return (np.asarray(places_mm, np.float64) - centre) / spec.pixel_mm + spec.image_px / 2


@lru_cache(maxsize=16)
def _axis(n: int, pitch_mm: float, spec: DetectorSpec) -> tuple[slice, sparse.csr_array]:
    """Tell which samples of an axis the image shows, and their weights (image_px, samples): about five a pixel."""
    from_centre = (np.arange(spec.image_px) + 0.5 - spec.image_px / 2) * spec.pixel_mm
    places = from_centre + (n - 1) * pitch_mm / 2
    window = tent_window(places, n, pitch_mm, spec.pixel_mm)
    return window, sparse.csr_array(tent_weights(places, n, pitch_mm, spec.pixel_mm, window))
