# SPDX-License-Identifier: Apache-2.0
"""Tell what lies around a rendered spine: a real CT's tissue with its own spine taken out, or plain shapes."""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from vcf_training.masks.look import Look
from vcf_training.warp.patients import Patient

Array = NDArray[np.float64]
Floats = NDArray[np.float32]

BONE_HU = 95.0
SPINE_MM = {"side": 34.0, "front": 48.0, "back": 60.0}
"""About the canal: bone in here belongs to the background's own spine."""
AORTA_MM, AORTA_RADIUS_MM = (14.0, -42.0), 12.0
"""Place of the aorta left of and before the canal."""
FAT_HU, LUNG_HU = -100.0, -850.0
LUNG_SHARE = 0.5


def painted(shape: tuple[int, ...], beside: Floats, behind: Floats, look: Look, rng: Generator) -> Floats:
    """Tissue of plain shapes on (z, y, x): muscle, fat, an aorta, and half of the time lungs.

    ``beside`` (z, 1, x) and ``behind`` (z, y, 1) are mm to the left of and behind the canal.
    """
    mottle = gaussian_filter(rng.standard_normal(tuple(-(-n // 4) for n in shape), np.float32), 1.5)
    mottle = np.repeat(np.repeat(np.repeat(mottle, 4, 0), 4, 1), 4, 2)[: shape[0], : shape[1], : shape[2]]
    hu = look.tissue_hu + 18 * mottle / max(float(mottle.std()), 1e-6)
    hu = np.where(mottle > 1.2 * mottle.std(), FAT_HU, hu)  # fat lies between muscles and organs
    hu = np.where(behind > rng.uniform(45, 80), FAT_HU, hu)
    if rng.random() < LUNG_SHARE:
        hu = np.where((np.abs(beside) > rng.uniform(24, 34)) & (behind < rng.uniform(-30, 0)), LUNG_HU, hu)
    left, front = AORTA_MM
    far = np.hypot(beside - left - rng.normal(0, 3), behind - front - rng.normal(0, 3))
    return np.asarray(np.where(far < AORTA_RADIUS_MM, look.blood_hu, hu), np.float32)


def of_patient(patient: Patient, z_mm: Array, beside: Floats, behind: Floats, look: Look, rng: Generator) -> Floats:
    """A real CT about its own canal on (z, y, x), from a random height on, mirrored at its ends; its spine is gone."""
    dz, dy, dx = patient.volume.spacing_mm
    rows = np.abs(z_mm - z_mm[0]) / dz + rng.uniform(0, len(patient.volume.hu))
    last = len(patient.volume.hu) - 1
    rows = last - np.abs(rows % (2 * last) - last)
    canal = np.stack([np.interp(rows, np.arange(last + 1), patient.canal_mm[:, i]) for i in (0, 1)], axis=1)
    shape = len(rows), behind.shape[1], beside.shape[2]
    x = (canal[:, 0, None, None] + beside) / dx
    y = (canal[:, 1, None, None] + behind) / dy
    index = np.stack([np.broadcast_to(i, shape) for i in (rows[:, None, None], y, x)]).astype(np.float32)
    hu = map_coordinates(patient.volume.hu, index, output=np.float32, order=1, mode="nearest")
    hu = np.maximum(hu, -1024)
    near = (np.abs(beside) < SPINE_MM["side"]) & (behind > -SPINE_MM["front"]) & (behind < SPINE_MM["back"])
    bone = near & (gaussian_filter(hu, (0, 0.7, 0.7)) > BONE_HU)
    filling = look.tissue_hu + 12 * rng.standard_normal(shape, np.float32)
    return np.asarray(np.where(bone, filling, hu), np.float32)
