# SPDX-License-Identifier: Apache-2.0
import numpy as np

from tests.training.warp.conftest import LEVELS, PlainSpine
from vcf_training.phantom import Fracture
from vcf_training.warp.collapse import Collapse, Mild
from vcf_training.warp.field import Field, Posture, Wobble

FRACTURES = [
    Fracture("wedge", 0.22, upper_share=1.0, angulation=0.35),
    Fracture("wedge", 0.45, upper_share=0.7, power=1.4, angulation=0.6, bulge_mm=2.0),
    Fracture("wedge", 0.6, upper_share=0.6, power=0.8, angulation=0.7),
    Fracture("biconcave", 0.3, upper_share=0.5, bulge_mm=0.0),
    Fracture("biconcave", 0.6, upper_share=0.35, bulge_mm=0.0),
    Fracture("crush", 0.3, upper_share=0.8),
    Fracture("crush", 0.6, upper_share=1.0, bulge_mm=2.5),
]


def collapse_of(spine: PlainSpine, how: Fracture | Mild, level: str = "T11") -> Collapse:
    return Collapse(spine.body(level), how, [spine.body(other) for other in LEVELS if other != level])


def box(step: float = 4.0) -> np.ndarray:
    axes = [np.arange(a, b, step) for a, b in ((20, 100), (10, 150), (0, 190))]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)


def test_field_maps_back_what_it_placed(plain_spine: PlainSpine) -> None:
    posture = Posture((1.05, 0.97, 1.03), 0.1, -0.08)
    field = Field(
        np.array((60.0, 100.0, 95.0)), [collapse_of(plain_spine, FRACTURES[1])], posture, Wobble(seed=3, amount_mm=1.2)
    )
    points = box(15.0).reshape(-1, 3)
    placed = field.placed(field.collapsed(points))
    np.testing.assert_allclose(field.backward(placed)[0], points, atol=0.05)
    assert np.abs(placed - points).max() > 5
