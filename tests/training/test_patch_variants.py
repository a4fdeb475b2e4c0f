# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import numpy as np
import pytest

from vcf_contract.spec import PATCH, PatchSpec
from vcf_training.patch_variants import resampled
from vcf_training.studies import Studies


def studies(patches: np.ndarray) -> Studies:
    n, h = patches.shape[:2]
    rows = np.broadcast_to(np.arange(h, dtype=np.float16)[None, :, None], (n, h, 5))
    one = np.ones(n, np.uint8)
    return Studies(
        patches, np.zeros(n, np.float32), one, one, one, rows.copy(), np.arange(0, n + 1, n), np.array(["s"])
    )


def in_hu(patches: np.ndarray, spec: PatchSpec) -> np.ndarray:
    low, high = spec.window_hu
    return low + patches / 255 * (high - low)


def test_the_served_patches_stay_as_they_are() -> None:
    data = studies(np.zeros((2, *PATCH.grid), np.uint8))
    assert resampled(data, PATCH) is data


def test_half_the_voxels_are_means_of_eight() -> None:
    patches = np.random.default_rng(0).integers(0, 256, (2, *PATCH.grid)).astype(np.uint8)
    found = resampled(studies(patches), replace(PATCH, grid=(16, 16, 16)))
    expected = patches.reshape(2, 16, 2, 16, 2, 16, 2).mean((2, 4, 6))
    np.testing.assert_allclose(found.patches, expected, atol=0.51)
    np.testing.assert_array_equal(found.anatomy[0, :, 0], np.arange(1, 32, 2))


def test_a_smaller_box_is_a_part_of_the_stored_one() -> None:
    """Sides that fall on voxel borders: the front 8 mm, the back 4 mm and 6 mm on either side are left out."""
    patches = np.random.default_rng(1).integers(0, 256, (1, *PATCH.grid)).astype(np.uint8)
    spec = replace(PATCH, grid=(32, 26, 24), anterior_mm=42.0, posterior_mm=10.0, half_width_mm=18.0)
    found = resampled(studies(patches), spec).patches
    np.testing.assert_array_equal(found, patches[:, :, 4:30, 4:28])


def test_a_narrower_window_keeps_the_hounsfield_units() -> None:
    patches = np.random.default_rng(2).integers(0, 256, (1, *PATCH.grid)).astype(np.uint8)
    spec = replace(PATCH, window_centre_hu=400.0, window_width_hu=500.0)
    found = resampled(studies(patches), spec).patches
    expected = np.clip(in_hu(patches, PATCH), *spec.window_hu)
    assert np.abs(in_hu(found, spec) - expected).max() <= 500 / 255 / 2 + 1e-3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"height_mm": 40.0}, "patch height 40.0 mm"),
        ({"anterior_mm": 60.0}, "anterior_mm 60.0: at most .* 50.0"),
        ({"window_width_hu": 2000.0}, r"window -630 to 1370 HU: it must lie within .* -50 to 790"),
        ({"grid": (32, 32, 40)}, r"voxels of 1\.20 mm along axis 2"),
    ],
)
def test_refuses_what_is_not_stored(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        resampled(studies(np.zeros((1, *PATCH.grid), np.uint8)), replace(PATCH, **change))
