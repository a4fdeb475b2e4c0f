# SPDX-License-Identifier: Apache-2.0
"""A spine of plain shapes, the truth of which is written down: boxes with a canal and an arch behind them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from vcf_preprocess.geometry import Volume
from vcf_training.warp.body import Body
from vcf_training.warp.heights import SixPoints
from vcf_training.warp.patients import Patient, load_patients

LEVELS = ("T9", "T10", "T11", "T12", "L1")
HEIGHT_MM, DEPTH_MM, WIDTH_MM, DISC_MM = 24.0, 30.0, 36.0, 6.0
BOTTOM_MM, MIDDLE_X_MM, FRONT_MM = 20.5, 60.0, 70.5
CANAL_Y_MM = FRONT_MM + DEPTH_MM + 9.0
SHAPE = (190, 150, 120)
REAL = {f"shared/ct/{name}" for name in ("crlm-ct-1006", "lung-pet-ct-dx-a0001-kernel-b", "hcc013")}


@dataclass(frozen=True)
class PlainSpine:
    """Labels 1… from head to feet at 1 mm, and the canal."""

    labels: NDArray[np.int16]
    canal_mm: NDArray[np.float64]
    names: dict[int, str]

    def bottom_mm(self, level: str) -> float:
        """z of the lower endplate."""
        return BOTTOM_MM + (len(LEVELS) - 1 - LEVELS.index(level)) * (HEIGHT_MM + DISC_MM)

    def body(self, level: str) -> Body:
        """The body as its shape says."""
        y = FRONT_MM + DEPTH_MM * np.array((0.1, 0.5, 0.9))
        bottom = self.bottom_mm(level)
        lower, upper = (np.column_stack((y, np.full(3, z))) for z in (bottom, bottom + HEIGHT_MM))
        return Body.from_six_points(level, SixPoints(upper, lower, DEPTH_MM, 0.0), self.canal_mm, 1.0)

    def patient(self, hu: NDArray[np.int16]) -> Patient:
        """A patient of this anatomy with any intensities."""
        bodies = tuple(self.body(level) for level in LEVELS)
        volume = Volume(hu, (1.0, 1.0, 1.0), np.eye(4))
        return Patient("plain", volume, self.canal_mm, (0, len(hu) - 1), bodies, frozenset(LEVELS))


@pytest.fixture(scope="session")
def plain_spine() -> PlainSpine:
    z, y, x = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    labels = np.zeros(SHAPE, np.int16)
    beside = np.abs(x - MIDDLE_X_MM)
    for i, _ in enumerate(LEVELS):
        bottom = BOTTOM_MM + (len(LEVELS) - 1 - i) * (HEIGHT_MM + DISC_MM)
        tall = (z > bottom) & (z < bottom + HEIGHT_MM)  # the faces lie half a voxel beyond the outermost centres
        body = (y > FRONT_MM) & (y < FRONT_MM + DEPTH_MM) & (beside < WIDTH_MM / 2)
        low = (z > bottom + 4) & (z < bottom + 16)
        back = y - FRONT_MM - DEPTH_MM
        pedicle = low & (back >= 0) & (back < 18) & (beside > 10) & (beside < 16)
        arch = low & (back >= 18) & (back < 30) & (beside < 14)
        labels[(tall & body) | pedicle | arch] = i + 1
    canal = np.tile((MIDDLE_X_MM, CANAL_Y_MM), (SHAPE[0], 1))
    return PlainSpine(labels, canal, {i + 1: level for i, level in enumerate(LEVELS)})


@pytest.fixture(scope="session")
def real_patients(shared_data: Path) -> list[Patient]:
    """Three of the development folder, which are read quickly."""
    return load_patients(shared_data, names=REAL)
