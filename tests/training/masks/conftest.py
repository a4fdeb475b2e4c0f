# SPDX-License-Identifier: Apache-2.0
"""Spines of plain boxes as masks; some bodies lower than the others."""

from collections.abc import Mapping

import numpy as np
import pytest

from vcf_training.data.real_spines import LEVELS
from vcf_training.masks.spines import Entry, MaskSpine, of_labels

NAMES = ("T9", "T10", "T11", "T12", "L1")
HEIGHT_MM, DISC_MM, DEPTH_MM, WIDTH_MM, FRONT_MM, MIDDLE_MM = 24.0, 6.0, 30.0, 36.0, 40.0, 40.0
CANAL_Y_MM = FRONT_MM + DEPTH_MM + 9.0


def plain_mask(heights_mm: Mapping[str, float] = {}) -> MaskSpine:
    """Five levels at 1 mm, with arches, of 24 mm or of ``heights_mm``: these are fractured by Genant's bands."""
    tall = [heights_mm.get(level, HEIGHT_MM) for level in NAMES]
    length = int(sum(tall) + DISC_MM * len(NAMES)) + 20
    z, y, x = np.ogrid[:length, :120, :80]
    labels, bottom = np.zeros((length, 120, 80), np.uint8), 10.5
    beside = np.abs(x - MIDDLE_MM)
    for level, height in reversed(list(zip(NAMES, tall, strict=True))):
        body = (y > FRONT_MM) & (y < FRONT_MM + DEPTH_MM) & (beside < WIDTH_MM / 2)
        arch = (y > FRONT_MM + DEPTH_MM + 18) & (y < FRONT_MM + DEPTH_MM + 30) & (beside < 14)
        pedicle = (y >= FRONT_MM + DEPTH_MM) & (y < FRONT_MM + DEPTH_MM + 19) & (beside > 10) & (beside < 16)
        inside = (z > bottom) & (z < bottom + height)
        labels[inside & (body | ((z < bottom + 0.7 * height) & (arch | pedicle)))] = LEVELS[level]
        bottom += height + DISC_MM
    grades = {level: 1 + (h < 0.75 * HEIGHT_MM) + (h < 0.6 * HEIGHT_MM) for level, h in heights_mm.items()}
    return of_labels("plain", labels, (1.0, 1.0, 1.0), Entry("plain", "train", "", NAMES, grades))


@pytest.fixture(scope="session")
def sound_mask() -> MaskSpine:
    return plain_mask()


@pytest.fixture(scope="session")
def crushed_mask() -> MaskSpine:
    return plain_mask({"T11": 12.0})
