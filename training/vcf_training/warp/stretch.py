# SPDX-License-Identifier: Apache-2.0
"""A fractured body stretched back to the heights that its sound neighbours let expect: the same spine, unfractured.

A stretch is a collapse that gives height in place of taking it. Beside its stretched twin, nothing but the fracture
tells a real fracture from a sound spine.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vcf_training.phantom.anatomy import level_size
from vcf_training.phantom.vertebra import LANDMARK
from vcf_training.warp.body import Body
from vcf_training.warp.collapse import Collapse
from vcf_training.warp.patients import Patient

Array = NDArray[np.float64]

DISH = 0.95
"""Middle height of a sound body over the mean of its anterior and posterior ones."""


@dataclass(frozen=True)
class _Given:
    """Tell what a ``Collapse`` asks of a deformity, for one that takes nothing."""

    shape: str = "stretch"
    loss: float = 1.0
    upper_share: float = 0.6
    power: float = 1.0
    sclerosis_hu: float = 0.0
    bulge_mm: float = 0.0
    angulation: float = 1.0
    """The spine above leans back by all of the wedge's angle: the disc has no room for it."""


class Stretch(Collapse):
    """The way back of one body among its neighbours, to ``heights_mm`` (anterior, middle, posterior)."""

    def __init__(self, body: Body, heights_mm: Array, neighbours: Sequence[Body] = ()) -> None:
        self._gain = np.maximum(heights_mm - body.heights_mm, 0.0)
        super().__init__(body, _Given(), neighbours)

    def loss_mm(self, u: Array, v: Array) -> Array:
        """Height lost over the footprint, below zero: a plane through the rims, and the middle's part as a bowl."""
        anterior, middle, posterior = self._gain
        s = np.clip(v / (LANDMARK * self.body.depth_mm), -1 / (2 * LANDMARK), 1 / (2 * LANDMARK))
        rims = 0.5 * (anterior + posterior) + 0.5 * (posterior - anterior) * s
        bowl = 1 - (u / (0.48 * self.body.width_mm)) ** 2 - (v / (0.48 * self.body.depth_mm)) ** 2
        return np.asarray(-rims - max(middle - 0.5 * (anterior + posterior), 0.0) * np.maximum(bowl, 0) ** 0.8)


def sound_heights(patient: Patient, level: str) -> Array:
    """Heights (3,) that a level would have by its patient's sound bodies and the proportions of the tables.

    Raises
    ------
    ValueError
        If no body of the patient is sound.
    """
    sound = [b for b in patient.bodies if not patient.grades.get(b.level)]
    if not sound:
        raise ValueError(f"{patient.name} has no sound body to go by")
    scale = float(np.median([b.heights_mm.max() / _table(b.level).max() for b in sound]))
    return scale * _table(level)


def _table(level: str) -> Array:
    size = level_size(level)
    rims = size.height_mm * size.wedge, size.height_mm
    return np.array((rims[0], DISH * sum(rims) / 2, rims[1]))


def stretches(patient: Patient) -> list[Stretch]:
    """The way back of every fractured body of a patient."""
    return [
        Stretch(body, sound_heights(patient, body.level), [other for other in patient.bodies if other is not body])
        for body in patient.bodies
        if patient.grades.get(body.level)
    ]
