# SPDX-License-Identifier: Apache-2.0
"""The canal of labels, behind bodies whose place is known."""

import numpy as np
import pytest

from vcf_training.warp.midline import canal_from_labels

FRONT, DEPTH, HEIGHT = 40.0, 32.0, 25.0
SPACING = (1.5, 0.8, 0.8)


def body(
    tilt_deg: float = 0.0, anterior: float = 0.0, middle: float = 0.0, posterior: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """A body that leans forward, its upper endplate lowered by these mm at its landmarks; a canal and an arch."""
    z, y, x = np.ogrid[:48, :130, :80]
    lean = np.radians(tilt_deg)
    dy, dz = y * SPACING[1] - FRONT - DEPTH / 2, z * SPACING[0] - 36.0
    v, w = np.cos(lean) * dy + np.sin(lean) * dz, -np.sin(lean) * dy + np.cos(lean) * dz
    dx = x * SPACING[2] - 32.0
    at = np.array((-0.4, 0.0, 0.4)) * DEPTH
    lost = np.polyval(np.polyfit(at, (anterior, middle, posterior), 2), v)
    mask = (np.abs(v) < DEPTH / 2) & (w > -HEIGHT / 2) & (w < HEIGHT / 2 - lost) & (np.abs(dx) < 20)
    back = v - DEPTH / 2
    mask |= (np.abs(w) < 8) & (back >= 0) & (back < 18) & (np.abs(dx) > 9) & (np.abs(dx) < 14)
    mask |= (np.abs(w) < 8) & (back >= 18) & (back < 30) & (np.abs(dx) < 12)
    heights = np.arange(48) * SPACING[0] - 36.0
    canal_y = FRONT + DEPTH / 2 + (DEPTH / 2 + 9) / np.cos(lean) - np.tan(lean) * heights
    return mask, np.column_stack((np.full(48, 32.0), canal_y))


def test_canal_is_found_behind_the_body() -> None:
    mask, canal = body()
    found = canal_from_labels(mask.astype(np.int16), SPACING)
    np.testing.assert_allclose(found[20:28], canal[20:28], atol=1.0)


def test_no_arch_is_refused() -> None:
    labels = np.zeros((20, 60, 40), np.int16)
    labels[5:15, 20:50, 10:30] = 3
    with pytest.raises(ValueError, match="arch"):
        canal_from_labels(labels, (2.0, 1.0, 1.0))
