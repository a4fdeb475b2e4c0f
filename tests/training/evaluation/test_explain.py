# SPDX-License-Identifier: Apache-2.0
"""Explanations of networks whose rule is known: they look at one corner of one patch."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("tensorflow")

from tests.training.evaluation.made import vertebra
from training.evaluation.cases import Study
from training.evaluation.explain import explain
from training.reference import Analysis
from vcf.contract import MEMBERS

PATCHES = 3


def encoder(patches: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean of the uppermost, foremost sixteenth of each patch."""
    part: NDArray[np.float32] = patches[:, :8, :8].mean(axis=(1, 2, 3, 4))[:, None]
    return part


def head(inputs: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Each flip's row (flips, k): the feature itself."""
    return inputs[0].reshape(2, -1)


@pytest.fixture
def analysis() -> Analysis:
    patches = np.zeros((2 * PATCHES, 32, 32, 32, 1), np.float32)
    patches[1::PATCHES, :8, :8] = 0.8
    boxes = np.array([[0, 0, 96 - 48 * i, 48, 64, 144 - 48 * i] for i in range(PATCHES)], np.float32)
    spine = SimpleNamespace(
        patches=patches, location=np.linspace(0, 1, PATCHES, dtype=np.float32), patch_boxes_mm=boxes
    )
    return Analysis(0.8, np.array([0.1, 0.8, 0.1]), np.array([0.0, 0.8, 0.0]), spine)  # type: ignore[arg-type]


def test_the_fall_is_where_the_networks_look(analysis: Analysis) -> None:
    networks: Any = SimpleNamespace(encoders=dict.fromkeys(MEMBERS, encoder), heads=dict.fromkeys(MEMBERS, head))
    bodies = (vertebra("T12", 72.0, 0), vertebra("L1", 44.0, 0), vertebra("L2", 20.0, 0))
    found = explain(analysis, networks, Study("s", None, False, 0, bodies, {"sacrum": (-60.0, 49.0)}))
    assert found.patch == 1
    assert found.members == pytest.approx(dict.fromkeys(MEMBERS, 0.8))
    fill = 0.8 / 16
    assert found.drop[0, 0] == pytest.approx(0.8 - fill, abs=1e-5)
    assert np.abs(np.delete(found.drop.ravel(), 0)).max() < 1e-6
    assert found.levels == ("T12",)  # of L1, from 34 to 54 mm, the box from 48 mm shows less than half
    assert found.slab.shape == (32, 32)
