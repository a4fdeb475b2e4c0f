# SPDX-License-Identifier: Apache-2.0
"""Tissue about a spine: what is painted, and a CT whose own spine is taken out."""

from dataclasses import replace

import numpy as np
import pytest

from vcf_preprocess.geometry import Volume
from vcf_training.masks.background import AORTA_MM, BONE_HU, FAT_HU, LUNG_HU, of_patient, painted
from vcf_training.masks.look import Look
from vcf_training.warp.patients import Patient

SHAPE = (12, 60, 50)
LOOK = replace(Look.draw(np.random.default_rng(0)), tissue_hu=40.0, blood_hu=200.0)


def axes() -> tuple[np.ndarray, np.ndarray]:
    """mm left of and behind the canal, 3 mm a voxel."""
    beside = (3.0 * np.arange(SHAPE[2]) - 75).astype(np.float32)[None, None, :]
    behind = (3.0 * np.arange(SHAPE[1]) - 100).astype(np.float32)[None, :, None]
    return np.broadcast_to(beside, (SHAPE[0], 1, SHAPE[2])), np.broadcast_to(behind, (SHAPE[0], SHAPE[1], 1))


def test_muscle_fat_and_an_aorta_before_the_canal() -> None:
    beside, behind = axes()
    seen_lung = False
    for seed in range(8):
        hu = painted(SHAPE, beside, behind, LOOK, np.random.default_rng(seed))
        assert hu.shape == SHAPE and hu.dtype == np.float32
        left, front = AORTA_MM
        at = np.abs(behind[0, :, 0] - front).argmin(), np.abs(beside[0, 0] - left).argmin()
        assert (hu[:, at[0], at[1]] == LOOK.blood_hu).all()
        muscle = hu[(hu != FAT_HU) & (hu != LUNG_HU) & (hu != LOOK.blood_hu)]
        assert muscle.mean() == pytest.approx(LOOK.tissue_hu, abs=20)
        assert (hu[:, behind[0, :, 0] > 80] == FAT_HU).all(), "behind everything lies fat"
        seen_lung |= bool((hu == LUNG_HU).any())
    assert seen_lung


def patient() -> Patient:
    """A slab of 30 HU with a column of 400 HU at the canal, and bone far from it."""
    hu = np.full((40, 120, 120), 30, np.int16)
    hu[:, 50:70, 50:70] = 400
    hu[:, 5:10, 5:10] = 400
    canal = np.full((40, 2), 90.0)
    return Patient("made", Volume(hu, (2.0, 1.5, 1.5), np.eye(4)), canal, (0, 39), (), frozenset())


def test_the_spine_of_a_real_ct_is_gone_and_the_rest_is_there() -> None:
    beside = np.broadcast_to((1.5 * np.arange(120) - 90).astype(np.float32)[None, None, :], (30, 1, 120))
    behind = np.broadcast_to((1.5 * np.arange(120) - 90).astype(np.float32)[None, :, None], (30, 120, 1))
    found = of_patient(patient(), 2.0 * np.arange(30), beside, behind, LOOK, np.random.default_rng(3))
    assert found.shape == (30, 120, 120)
    assert found[:, 52:68, 52:68].max() < BONE_HU + 40 and found[:, 52:68, 52:68].mean() == pytest.approx(40, abs=2)
    assert (found[:, 6:9, 6:9] == 400).all(), "bone that is not the spine's stays"
    assert (found[:, 90:, 90:] == 30).all()


def test_a_ct_that_is_shorter_goes_on_as_its_mirror_image() -> None:
    beside = np.broadcast_to(np.zeros(4, np.float32)[None, None, :] + 60, (200, 1, 4))
    behind = np.broadcast_to(np.zeros(4, np.float32)[None, :, None] + 75, (200, 4, 1))
    found = of_patient(patient(), 2.0 * np.arange(200), beside, behind, LOOK, np.random.default_rng(3))
    assert np.isfinite(found).all() and (found == 30).all()
