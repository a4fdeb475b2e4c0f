# SPDX-License-Identifier: Apache-2.0
"""Sizes of normal vertebrae, level by level.

Heights, endplates and canals of T1–L5 are the means of Panjabi et al. (Spine 1991;16:888 and 1992;17:299) at seven
levels, interpolated between; the two cervical ends and the sacrum complete the spine of a scan and carry no truth.
"""

from dataclasses import dataclass

import numpy as np

LEVELS = ("C4", "C5", "C6", "C7", *(f"T{i}" for i in range(1, 13)), *(f"L{i}" for i in range(1, 6)), "S1", "S2", "S3")
"""The levels from head to feet."""
GRADED = LEVELS[LEVELS.index("T1") : LEVELS.index("L5") + 1]
"""Levels that can be fractured: thoracic and lumbar."""


@dataclass(frozen=True)
class LevelSize:
    """Mean size of a vertebra; all in mm, W left-right, D antero-posterior.

    ``wedge`` is anterior over posterior height, ``disc_mm`` the disc *below* it.
    """

    height_mm: float
    width_mm: float
    depth_mm: float
    canal_width_mm: float
    canal_depth_mm: float
    wedge: float
    disc_mm: float
    pedicle_width_mm: float
    pedicle_height_mm: float
    spinous_mm: float
    """Length of the spinous process behind the canal."""
    spinous_drop_mm: float
    """How far its tip hangs below its root."""
    transverse_mm: float
    """Lateral reach of the transverse process from the midline."""


# level: posterior height, W, D, canal W, canal AP, anterior/posterior, disc below, pedicle W × H, spinous length, drop,
# transverse reach
_TABLE = {
    "C4": (11.4, 17.2, 15.6, 24.0, 15.5, 0.97, 5.0, 5.5, 7.5, 22, 6, 24),
    "C7": (12.8, 21.7, 17.0, 23.5, 15.5, 0.96, 5.0, 6.5, 7.5, 34, 10, 32),
    "T1": (14.1, 24.5, 18.5, 21.8, 16.4, 0.96, 4.0, 8.0, 9.6, 36, 14, 37),
    "T4": (16.2, 24.5, 23.3, 17.0, 16.2, 0.95, 3.4, 5.0, 11.5, 33, 24, 31),
    "T8": (18.7, 29.5, 27.9, 17.6, 15.8, 0.93, 4.2, 5.5, 12.5, 31, 27, 30),
    "T11": (21.4, 36.1, 31.9, 20.6, 17.4, 0.92, 5.4, 8.5, 16.5, 27, 15, 24),
    "T12": (22.7, 39.2, 32.8, 22.2, 18.1, 0.90, 6.0, 8.5, 16.5, 28, 10, 23),
    "L1": (23.8, 41.2, 34.1, 23.7, 19.0, 0.92, 7.0, 8.6, 15.9, 32, 8, 35),
    "L2": (24.1, 42.7, 34.6, 24.0, 18.3, 0.97, 7.8, 8.8, 15.5, 34, 7, 38),
    "L3": (23.8, 44.1, 35.2, 24.3, 17.5, 1.00, 8.6, 10.1, 15.0, 34, 6, 43),
    "L4": (23.4, 45.7, 35.0, 25.6, 18.5, 1.04, 9.0, 13.0, 15.0, 31, 6, 42),
    "L5": (22.9, 47.3, 34.7, 27.1, 19.7, 1.12, 8.2, 17.5, 16.0, 25, 6, 44),
    "S1": (27.0, 48.0, 33.0, 29.0, 17.0, 1.12, 2.0, 18.0, 20.0, 20, 6, 40),
    "S2": (23.0, 36.0, 24.0, 22.0, 13.0, 1.10, 1.5, 16.0, 18.0, 14, 5, 32),
    "S3": (20.0, 28.0, 18.0, 17.0, 9.0, 1.05, 1.0, 14.0, 15.0, 10, 4, 28),
}
_ROWS = np.array([LEVELS.index(level) for level in _TABLE])
_VALUES = np.array(list(_TABLE.values()), float)


def level_size(level: str) -> LevelSize:
    """Mean size at ``level``, interpolated between the measured ones.

    Raises
    ------
    ValueError
        If there is no such level.
    """
    if level not in LEVELS:
        raise ValueError(f"level {level!r} is unknown, levels are {', '.join(LEVELS)}")
    at = LEVELS.index(level)
    return LevelSize(*(float(np.interp(at, _ROWS, column)) for column in _VALUES.T))


def parse_levels(text: str) -> tuple[str, str]:
    """Read ``T1-L5`` as (upper, lower) level.

    Raises
    ------
    ValueError
        If it is no range of known levels from head to feet.
    """
    upper, _, lower = text.upper().partition("-")
    if upper not in LEVELS or lower not in LEVELS or LEVELS.index(upper) > LEVELS.index(lower):
        raise ValueError(f"levels {text!r} is no range from head to feet such as T1-L5 or C7-S1")
    return upper, lower


def mean_trabecular_hu(age: float) -> float:
    """Mean trabecular density of L1 without contrast: 226 HU under 30 years falling to 89 HU at 90."""
    return float(np.interp(age, (30, 90), (226, 89)))
