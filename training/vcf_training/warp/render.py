# SPDX-License-Identifier: Apache-2.0
"""A deformed CT: a box around the spine is resampled from the patient's CT where the field says."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates, spline_filter

from vcf_preprocess.geometry import Volume
from vcf_preprocess.tent import tent_weights
from vcf_training.phantom import Vertebra, genant_grade
from vcf_training.phantom.render import SPINE_BOX_MM
from vcf_training.warp.field import Field
from vcf_training.warp.patients import Patient

Array = NDArray[np.float64]

COARSE_MM = (2.0, 3.0, 3.0)
"""Pitch along z, y, x at which the field is worked out; linear between."""
CANAL_STEP_MM = 3.0
MIN_LENGTH_MM = 45.0
"""About one patch."""
MARROW_HU = -30.0
"""The HU of fatty marrow without bone: compression packs the bone in it, not the marrow, which is pressed out."""
PACKED = 0.6
"""Share of the bone of a compressed volume that is still there."""
MAX_DENSER_HU = 260.0
EDGE_MM = 1.1
NEAR_CANAL_MM = (32.0, 45.0, 15.0)
"""The reach beside, before and behind the canal: the part of the box that must not reach beyond the patient's CT."""


@dataclass(frozen=True)
class Scanner:
    """Tell how the deformed patient is scanned."""

    slice_mm: float
    pixel_mm: float
    noise_hu: float = 0.0
    contrast: float = 1.0
    """Gain of all densities about that of soft tissue."""
    blur_mm: float = 0.0
    """Standard deviation of the in-plane blur of a soft kernel."""
    sharpened: float = 0.0
    """Edge enhancement of a sharp kernel: the share of what a blur of ``EDGE_MM`` takes away that is added."""


@dataclass(frozen=True)
class WarpedSpine:
    """A deformed study and its truth, with the fields of ``vcf_training.phantom.Phantom`` that training reads."""

    volume: Volume
    centre_line_mm: Array
    """(Nz, 2): x, y of the canal's centre on each slice."""
    vertebrae: tuple[Vertebra, ...]
    """Known bodies whose centre lies in the volume, from head to feet; others are there without truth, unfractured."""
    patient: str
    """The patient, for splits: samples of one patient belong to one side."""


def render(patient: Patient, field: Field, scanner: Scanner, rng: Generator) -> WarpedSpine:
    """Deform and scan a patient.

    Raises
    ------
    ValueError
        If less than ``MIN_LENGTH_MM`` of spine are left after the deformation.
    """
    dz = patient.volume.spacing_mm[0]
    line, landmarks = _moved(patient, field)
    low = line.min(axis=0) - np.array((SPINE_BOX_MM["side"], SPINE_BOX_MM["front"], 0.0))
    high = line.max(axis=0) + np.array((SPINE_BOX_MM["side"], SPINE_BOX_MM["back"], 0.0))
    step = min(dz, scanner.slice_mm)
    z, y, x = (
        np.arange(low[i], high[i] + pitch / 2, pitch)
        for i, pitch in ((2, step), (1, scanner.pixel_mm), (0, scanner.pixel_mm))
    )
    coarse = [
        np.linspace(a[0], a[-1], max(2, int(np.ceil((a[-1] - a[0]) / p)) + 1))
        for a, p in zip((z, y, x), COARSE_MM, strict=True)
    ]
    grid = np.stack(np.meshgrid(*coarse, indexing="ij")[::-1], axis=-1)
    source, compression = field.backward(grid)
    z = _inside(patient, z, coarse, source, line)
    hu = _resample(patient, (z, y, x), coarse, source, compression, field)
    places = np.arange(z[0], z[-1] + 1e-6, scanner.slice_mm)
    if scanner.slice_mm > step:
        along = tent_weights(places - z[0], len(z), step, scanner.slice_mm)
        hu = np.tensordot(along, hu, axes=1)
    else:
        places = z
    hu = _through_kernel(40 + (hu - 40) * np.float32(scanner.contrast), scanner)
    if scanner.noise_hu:
        hu += _noise(hu.shape, scanner.noise_hu, rng)
    origin = np.array((x[0], y[0], places[0]))
    spacing = (scanner.slice_mm if scanner.slice_mm > step else step, scanner.pixel_mm, scanner.pixel_mm)
    affine = np.diag((*spacing[::-1], 1.0))
    affine[:3, 3] = origin
    canal = np.stack([np.interp(places, line[:, 2], line[:, i]) for i in (0, 1)], axis=1) - origin[:2]
    volume = Volume(np.clip(np.rint(hu), -1024, 3071).astype(np.int16), spacing, affine)
    return WarpedSpine(volume, canal, _truth(patient, field, landmarks, origin, float(places[-1])), patient.name)


@dataclass(frozen=True)
class _Landmarks:
    """(bodies, 2, 3, 3) of all bodies, see ``Body.landmarks_mm``: after the collapses alone, and in the end."""

    collapsed: Array
    placed: Array


def _moved(patient: Patient, field: Field) -> tuple[Array, _Landmarks]:
    """The canal's centre (n, 3) where it was seen, deformed and with ascending z, and the landmarks."""
    first, last = patient.canal_slices
    dz = patient.volume.spacing_mm[0]
    heights = np.linspace(first * dz, last * dz, int((last - first) * dz / CANAL_STEP_MM) + 2)
    index = np.arange(len(patient.canal_mm)) * dz
    canal = np.column_stack([np.interp(heights, index, patient.canal_mm[:, i]) for i in (0, 1)] + [heights])
    marks = np.array([body.landmarks_mm for body in patient.bodies]).reshape(-1, 2, 3, 3)
    collapsed = field.collapsed(np.concatenate([canal, marks.reshape(-1, 3)]))
    placed = field.placed(collapsed)
    line = placed[: len(canal)]
    rising = np.maximum.accumulate(line[:, 2])
    line = line[np.concatenate([[True], np.diff(rising) > 1e-3])]
    return line, _Landmarks(*(points[len(canal) :].reshape(marks.shape) for points in (collapsed, placed)))


def _inside(patient: Patient, z: Array, coarse: list[Array], source: Array, line: Array) -> Array:
    """Those slices whose surroundings of the canal come from inside the patient's CT."""
    top = (len(patient.volume.hu) - 1) * patient.volume.spacing_mm[0]
    side, front, back = NEAR_CANAL_MM
    at_x, at_y = (np.interp(coarse[0], line[:, 2], line[:, i])[:, None] for i in (0, 1))
    near_x = np.abs(coarse[2] - at_x) <= side
    near_y = (coarse[1] >= at_y - front) & (coarse[1] <= at_y + back)
    near = near_x[:, None, :] & near_y[:, :, None]
    tolerance = patient.volume.spacing_mm[0] / 2
    outside = near & ((source[..., 2] < -tolerance) | (source[..., 2] > top + tolerance))
    good = coarse[0][~outside.any(axis=(1, 2))]
    kept = np.asarray(z[(z >= good.min(initial=np.inf)) & (z <= good.max(initial=-np.inf))])
    if len(kept) < 2 or kept[-1] - kept[0] < MIN_LENGTH_MM:
        raise ValueError(f"{patient.name}: less than {MIN_LENGTH_MM:g} mm of spine are left after the deformation")
    return kept


def _resample(
    patient: Patient,
    axes: tuple[Array, Array, Array],
    coarse: list[Array],
    source: Array,
    compression: Array,
    field: Field,
) -> NDArray[np.float32]:
    """HU (z, y, x) of the deformed box."""
    weights = [
        tent_weights(a - c[0], len(c), float(c[1] - c[0]), float(c[1] - c[0]))
        for a, c in zip(axes, coarse, strict=True)
    ]

    def fine(values: Array) -> NDArray[np.float32]:
        part = np.tensordot(values.astype(np.float32), weights[2], axes=(2, 1))
        part = np.tensordot(weights[1], part, axes=(1, 1))  # y, z, x
        return np.asarray(np.tensordot(weights[0], part, axes=(1, 1)), np.float32)

    spacing = patient.volume.spacing_mm
    low = np.maximum(np.floor(source.reshape(-1, 3).min(0)[::-1] / spacing).astype(int) - 4, 0)
    high = np.ceil(source.reshape(-1, 3).max(0)[::-1] / spacing).astype(int) + 5
    box = patient.volume.hu[tuple(slice(a, b) for a, b in zip(low, high, strict=True))].astype(np.float32)
    np.maximum(box, -1024, out=box)
    # What lies outside the CT reads as its nearest voxel.
    index = [np.clip(fine(source[..., 2 - i] / spacing[i] - low[i]), 0, box.shape[i] - 1) for i in range(3)]
    hu = map_coordinates(spline_filter(box, 3, output=np.float32), index, order=3, prefilter=False, mode="mirror")
    np.clip(hu, -1024, 3071, out=hu)
    return _denser(hu, fine(compression), index, low, patient, field)


def _denser(
    hu: NDArray[np.float32],
    compression: NDArray[np.float32],
    index: list[NDArray[np.float32]],
    low: NDArray[np.intp],
    patient: Patient,
    field: Field,
) -> NDArray[np.float32]:
    """Bone packed by compression, and the sclerosis next to the endplate that gave way."""
    packed = np.clip(compression, 1, 4) ** PACKED
    bone = np.clip((hu - 20) / 60, 0, 1)
    hu += np.minimum(bone * (hu - MARROW_HU) * (packed - 1), MAX_DENSER_HU)
    spacing = patient.volume.spacing_mm
    for collapse in field.collapses:
        if not collapse.how.sclerosis_hu:
            continue
        body = collapse.body
        reach = 0.6 * float(np.linalg.norm((body.width_mm, body.depth_mm, body.heights_mm.max())))
        near = np.abs((index[0] + low[0]) * spacing[0] - body.origin[2]) < reach
        points = np.stack([(index[i][near] + low[i]) * spacing[i] for i in (2, 1, 0)], axis=-1)
        local = body.to_local(points.astype(np.float64))
        hu[near] += (bone[near] * collapse.how.sclerosis_hu * collapse.scleroses(*local.T)).astype(np.float32)
    return hu


def _through_kernel(hu: NDArray[np.float32], scanner: Scanner) -> NDArray[np.float32]:
    """Blur and edges in-plane."""
    if scanner.blur_mm:
        hu = gaussian_filter(hu, (0, *(scanner.blur_mm / scanner.pixel_mm,) * 2))
    if scanner.sharpened:
        hu = hu + np.float32(scanner.sharpened) * (hu - gaussian_filter(hu, (0, *(EDGE_MM / scanner.pixel_mm,) * 2)))
    return hu


def _noise(shape: tuple[int, ...], noise_hu: float, rng: Generator) -> NDArray[np.float32]:
    """Noise with an in-plane grain, as filtered back projection leaves it."""
    noise = gaussian_filter(rng.standard_normal(shape, np.float32), (0, 0.7, 0.7))
    return np.asarray(noise * np.float32(noise_hu / noise.std()), np.float32)


def _truth(patient: Patient, field: Field, landmarks: _Landmarks, origin: Array, top_mm: float) -> tuple[Vertebra, ...]:
    """Heights as they are now; grades by the share that the collapses took of each landmark's height."""
    shapes = {c.body.level: c.how.shape for c in field.collapses}
    found = []
    for body, after, now in zip(patient.bodies, landmarks.collapsed, landmarks.placed, strict=True):
        placed = now - origin
        x, y, z = placed.reshape(-1, 3).mean(axis=0).tolist()
        if not 0 <= z <= top_mm - origin[2]:
            continue
        was, left, heights = (np.linalg.norm(p[0] - p[1], axis=1) for p in (body.landmarks_mm, after, now))
        made = body.level in shapes
        grade = genant_grade(float((1 - left / was).max())) if made else patient.grades.get(body.level, 0)
        anterior, middle, posterior = heights.tolist()
        low, high = float(placed[..., 2].min()), float(placed[..., 2].max())
        shape = shapes[body.level] if made and grade else None
        found.append(Vertebra(body.level, (x, y, z), (anterior, middle, posterior), low, high, grade, shape))
    return tuple(found)
