# SPDX-License-Identifier: Apache-2.0
"""Tell how a rendered spine looks: its bone, its marrow and what lies around it."""

from dataclasses import dataclass

from numpy.random import Generator

Range = tuple[float, float]

TRABECULAR_HU: Range = (40.0, 260.0)
CORTEX_HU: Range = (180.0, 900.0)
"""From the dull cortex of thin old bone, which a thick slice dims further, to a bright one."""
CORTEX_MM: Range = (0.5, 1.8)
ENDPLATE: Range = (0.8, 1.8)
ARCH_HU: Range = (60.0, 350.0)
DISC_HU: Range = (50.0, 120.0)
TISSUE_HU: Range = (25.0, 65.0)
BLOOD_HU: Range = (35.0, 260.0)
GRAIN: Range = (0.05, 0.35)
BLUR_MM: Range = (0.3, 1.0)
REAL_BACKGROUND = 0.6


@dataclass(frozen=True)
class Look:
    """One drawing.

    endplate
        Thickness of the endplates over that of the walls.
    arch_hu
        By how much the spongy bone of arches is denser than that of bodies.
    grain
        Standard deviation of the spongy bone's texture, as a share of its density.
    blur_mm
        Standard deviation of the in-plane blur, before the scan's own.
    real_background
        Whether what lies around the spine is a real CT's; it is drawn as plain shapes otherwise.
    seed
        Of texture and background.
    """

    trabecular_hu: float
    cortex_hu: float
    cortex_mm: float
    endplate: float
    arch_hu: float
    disc_hu: float
    tissue_hu: float
    blood_hu: float
    grain: float
    blur_mm: float
    real_background: bool
    seed: int

    @classmethod
    def draw(cls, rng: Generator) -> "Look":
        """Draw a look: everything evenly within its range, apart from the cortex, which is denser than the marrow."""
        trabecular = float(rng.uniform(*TRABECULAR_HU))
        return cls(
            trabecular,
            max(float(rng.uniform(*CORTEX_HU)), trabecular + 60.0),
            float(rng.uniform(*CORTEX_MM)),
            float(rng.uniform(*ENDPLATE)),
            float(rng.uniform(*ARCH_HU)),
            float(rng.uniform(*DISC_HU)),
            float(rng.uniform(*TISSUE_HU)),
            float(rng.uniform(*BLOOD_HU)),
            float(rng.uniform(*GRAIN)),
            float(rng.uniform(*BLUR_MM)),
            bool(rng.random() < REAL_BACKGROUND),
            int(rng.integers(2**31)),
        )
