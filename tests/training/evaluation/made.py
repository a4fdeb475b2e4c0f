# SPDX-License-Identifier: Apache-2.0
"""Cases made by hand: what the figures and the page are tested on."""

from typing import Any

import numpy as np

from vcf_client.findings import Midsagittal
from vcf_training.evaluation.cases import Case, Explanation, Picture
from vcf_training.phantom import Vertebra

PATCHES = 4


def vertebra(level: str, z_mm: float, grade: int) -> Vertebra:
    return Vertebra(level, (30.0, 60.0, z_mm), (20.0, 19.0, 21.0), z_mm - 10, z_mm + 10, grade, "wedge")


def case(number: int, score: float, grade: int = 0, /, **changes: Any) -> Case:
    """A study of four patches, 192 mm high; the first patch from the head has its score, and its fracture if any."""
    boxes = np.array([[6, 10, 144 - 48 * i, 54, 74, 192 - 48 * i] for i in range(PATCHES)], np.float32)
    scores = np.linspace(score, score / 2, PATCHES)
    line = np.array([[30.0, 60.0, z] for z in (0.0, 96.0, 192.0)], np.float32)
    hu = np.full((96, 120), 40, np.int16)
    view = Midsagittal(hu, 191.0, 0.5, 2.0, 1.0, boxes, line)
    made: dict[str, Any] = {
        "name": f"study-{number}",
        "group": f"patient-{number}",
        "fractured": grade > 0,
        "grade": grade,
        "fractures": (vertebra("T12", 170.0, grade),) if grade else (),
        "traits": {"slice_mm": 1.0 + number % 4, "noise_hu": 5.0 + 3 * (number % 9), "contrast": "yes"},
        "height_loss": {"labels": min(1.0, 0.1 + 0.1 * grade + 0.01 * (number % 3)), "exact": 0.1 * grade},
        "synthetic": True,
        "score": score,
        "patch_scores": scores,
        "boxes_mm": boxes,
        "centre_error_mm": (1.0, 2.0, 1.0),
        "picture": Picture(view, np.linspace(0, 1, PATCHES, dtype=np.float32), scores),
    }
    return Case(**(made | changes))


def refused(number: int, code: str = "SPINE_NOT_FOUND", grade: int = 0) -> Case:
    """A study that could not be processed."""
    return case(
        number,
        0.0,
        grade,
        score=None,
        patch_scores=np.empty(0),
        boxes_mm=np.empty((0, 6), np.float32),
        picture=None,
        centre_error_mm=None,
        refused=code,
        reason="fewer than 3 slices show it",
    )


def explanation() -> Explanation:
    """The lower front of the first patch is what its score hangs on."""
    drop = np.zeros((4, 4))
    drop[3, 0] = 0.3
    return Explanation(0, ("T11", "T12"), {"a": 0.6, "b": 0.7, "c": 0.8}, drop, np.full((32, 32), 0.4, np.float32))


def mixed(studies: int = 40) -> list[Case]:
    """Half of them fractured, grades in turn; scores overlap."""
    rng = np.random.default_rng(0)
    grades = [0 if i % 2 else 1 + (i // 2) % 3 for i in range(studies)]
    return [case(i, float(np.clip(rng.normal(0.3 + 0.12 * g, 0.12), 0.01, 0.99)), g) for i, g in enumerate(grades)]
