# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import map_coordinates, rotate

from vcf_contract.spec import PATCH
from vcf_training.augment import augment, turned
from vcf_training.presets import PRESETS, Augmentation
from vcf_training.studies import Sampler, Studies

CUBE = replace(PATCH, grid=(33, 33, 3), height_mm=66.0, anterior_mm=50.0, posterior_mm=16.0)
"""Voxels as long as they are high."""
UPSIDE_DOWN = Augmentation(left_right=0.0, cranio_caudal=1.0)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(2).random(shape, np.float32)


def test_left_right_flip_alone() -> None:
    patches = noise(3, 8, 8, 8)
    changed = augment(patches, np.random.default_rng(0), Augmentation(left_right=1.0))
    np.testing.assert_array_equal(changed.patches, patches[..., ::-1])
    assert not changed.upside_down


def test_cranio_caudal_flip_turns_the_whole_spine_over() -> None:
    """Stacked along the body, the patches after it are the column before it, read from the other end."""
    patches = noise(3, 8, 8, 8)
    changed = augment(patches, np.random.default_rng(0), UPSIDE_DOWN)
    assert changed.upside_down
    np.testing.assert_array_equal(np.concatenate(changed.patches), np.concatenate(patches)[::-1])


@pytest.mark.parametrize("degrees", [-20, -3, 7, 20])
def test_turn_equals_scipys_where_voxels_are_square(degrees: float) -> None:
    patches = noise(2, 33, 33, 3)
    expected = np.stack([rotate(p, -degrees, reshape=False, order=1, mode="nearest") for p in patches])
    found = turned(patches, np.radians(degrees), CUBE)
    inside = np.hypot(*np.meshgrid(*[np.arange(33) - 16] * 2)) < 15
    np.testing.assert_allclose(found[:, inside], expected[:, inside], atol=1e-5)


def test_turn_is_one_in_millimetres_where_voxels_are_not_square() -> None:
    """Against interpolation at points that are turned in space, by the definition of a turn."""
    h, w, _ = PATCH.grid
    step = np.array([PATCH.box_mm[0] / h, PATCH.box_mm[1] / w])
    assert step[0] != step[1]
    patches = noise(1, *PATCH.grid)
    angle = np.radians(17.0)
    rows, columns = np.meshgrid(np.arange(h), np.arange(w), indexing="ij")
    y_mm, x_mm = (rows - (h - 1) / 2) * step[0], (columns - (w - 1) / 2) * step[1]
    from_y = np.cos(angle) * y_mm - np.sin(angle) * x_mm
    from_x = np.sin(angle) * y_mm + np.cos(angle) * x_mm
    points = [from_y / step[0] + (h - 1) / 2, from_x / step[1] + (w - 1) / 2]
    found = turned(patches, angle)
    for z in (0, 15, 31):
        expected = map_coordinates(patches[0, :, :, z], points, order=1, mode="nearest")
        np.testing.assert_allclose(found[0, :, :, z], expected, atol=1e-5)


def test_turn_is_the_same_for_all_patches_of_a_study() -> None:
    patches = np.repeat(noise(1, *PATCH.grid), 4, axis=0)
    how = Augmentation(left_right=0.0, rotate_deg=20)
    changed = augment(patches, np.random.default_rng(5), how).patches
    assert (changed == changed[:1]).all()
    assert np.abs(changed - patches).max() > 0.1


def test_turns_reach_twenty_degrees_either_way_and_no_further() -> None:
    angles = []
    patches = np.zeros((1, 33, 33, 3), np.float32)
    patches[0, 16, 24] = 1  # eight voxels behind the middle
    for seed in range(60):
        changed = augment(patches, np.random.default_rng(seed), Augmentation(left_right=0, rotate_deg=20), CUBE)
        image = changed.patches[0, :, :, 1]
        row, column = (np.indices(image.shape).reshape(2, -1) * image.ravel()).sum(1) / image.sum() - 16
        angles.append(np.degrees(np.arctan2(row, column)))
        assert np.hypot(row, column) == pytest.approx(8, abs=0.3)
    assert max(angles) == pytest.approx(20, abs=3)
    assert min(angles) == pytest.approx(-20, abs=3)


def test_share_leaves_studies_as_they_are() -> None:
    patches = noise(1, 8, 8, 8)
    how = Augmentation(share=0.5, left_right=1.0)
    same = [augment(patches, np.random.default_rng(s), how).patches is patches for s in range(200)]
    assert 70 <= sum(same) <= 130


def test_paper_preset_changes_half_of_the_cases_as_the_paper_says() -> None:
    how = PRESETS["paper"].member.augmentation
    assert (how.share, how.left_right, how.cranio_caudal, how.rotate_deg) == (0.5, 0.5, 0.5, 20.0)


def test_truth_turns_over_with_the_patches() -> None:
    """A batch of an upside-down study: labels, weights and anatomy follow the patches, location runs from the feet."""
    n, rng = 8, np.random.default_rng(4)
    studies = Studies(
        rng.integers(0, 255, (n, 8, 8, 8)).astype(np.uint8),
        np.tile([0.1, 0.3, 0.5, 0.7], 2).astype(np.float32),
        np.array([1, 0, 0, 0, 0, 0, 0, 0], np.uint8),
        np.array([1, 0, 1, 1, 1, 1, 0, 1], np.uint8),
        np.array([2, 0, 0, 0, 0, 0, 0, 0], np.uint8),
        rng.random((n, 8, 5)).astype(np.float16),
        np.array([0, 4, 8]),
        np.array(["ill", "sound"]),
    )
    preset = replace(PRESETS["tiny"].member, studies_per_step=2, augmentation=UPSIDE_DOWN)
    batch = Sampler(studies, preset, np.random.default_rng(0)).draw()
    for i, rows in enumerate([studies.rows(1), studies.rows(0)]):
        np.testing.assert_allclose(np.concatenate(batch.patches[i]), np.concatenate(studies.patches[rows])[::-1] / 255)
        np.testing.assert_array_equal(batch.label[i], studies.label[rows][::-1])
        np.testing.assert_array_equal(batch.weight[i], studies.weight[rows][::-1])
        np.testing.assert_array_equal(np.concatenate(batch.anatomy[i]), np.concatenate(studies.anatomy[rows])[::-1])
        np.testing.assert_allclose(batch.location[i], [0.3, 0.5, 0.7, 0.9])
