# SPDX-License-Identifier: Apache-2.0
"""Explanations of networks whose rule is known: they look at one corner of one patch."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("tensorflow")

from tests.training.evaluation.made import vertebra
from vcf_preprocess.aggregate import NOT_LEARNED
from vcf_training.evaluation.cases import Study
from vcf_training.evaluation.explain import explain
from vcf_training.reference import Analysis

PATCHES = 3
SURE = (0.9, 1.0, 1.1)


def encoder(patches: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean of the uppermost, foremost sixteenth of each patch."""
    part: NDArray[np.float32] = patches[:, :8, :8].mean(axis=(1, 2, 3, 4))[:, None]
    return part


def patch_encoder(patches: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of three members, each a little more sure, under both flips."""
    part = encoder(patches)
    return np.concatenate([part * sure for sure in SURE for _ in range(2)], axis=1)


def sequence_head(inputs: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """(members, flips, k): the feature itself; no learned F_agg."""
    return [inputs[0].T.reshape(3, 2, -1), np.full((3, 2), NOT_LEARNED, np.float32)]


@pytest.fixture
def analysis() -> Analysis:
    patches = np.zeros((PATCHES, 32, 32, 32, 1), np.float32)
    patches[1, :8, :8] = 0.8
    boxes = np.array([[0, 0, 96 - 48 * i, 48, 64, 144 - 48 * i] for i in range(PATCHES)], np.float32)
    spine = SimpleNamespace(
        patches=patches, location=np.linspace(0, 1, PATCHES, dtype=np.float32), patch_boxes_mm=boxes
    )
    return Analysis(0.8, np.array([0.1, 0.8, 0.1]), np.array([0.0, 0.8, 0.0]), spine)  # type: ignore[arg-type]


def test_the_fall_is_where_the_networks_look(analysis: Analysis) -> None:
    members = [SimpleNamespace(name=name) for name in "abc"]
    networks: Any = SimpleNamespace(patch_encoder=patch_encoder, sequence_head=sequence_head, members=members)
    bodies = (vertebra("T12", 72.0, 0), vertebra("L1", 44.0, 0), vertebra("L2", 20.0, 0))
    found = explain(analysis, networks, Study("s", None, False, 0, bodies, {"sacrum": (-60.0, 49.0)}))
    assert found.patch == 1
    assert found.members == pytest.approx({"a": 0.72, "b": 0.8, "c": 0.88})
    fill = 0.8 / 16
    assert found.drop[0, 0] == pytest.approx(0.8 - fill, abs=1e-5)
    assert np.abs(np.delete(found.drop.ravel(), 0)).max() < 1e-6
    assert found.levels == ("T12",)  # of L1, from 34 to 54 mm, the box from 48 mm shows less than half
    assert found.slab.shape == (32, 32)
