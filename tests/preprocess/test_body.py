# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from numpy.typing import NDArray

from vcf_preprocess.body import body_slices, shows_body


def disc(diameter_mm: float, pixel_mm: float, size: int = 256) -> NDArray[np.int16]:
    at = (np.arange(size) - size / 2) * pixel_mm
    inside = at[:, None] ** 2 + at[None] ** 2 < diameter_mm**2 / 4
    noise = np.random.default_rng(1).normal(0, 20, inside.shape)
    return (np.where(inside, 40, -1000) + noise).astype(np.int16)


@pytest.mark.parametrize("pixel_mm", [0.6, 0.98, 1.5])
def test_neck_is_a_body_and_a_finger_is_none(pixel_mm: float) -> None:
    assert shows_body(disc(100, pixel_mm), (pixel_mm, pixel_mm))
    assert not shows_body(disc(25, pixel_mm), (pixel_mm, pixel_mm))


def test_crop_about_the_spine_is_all_body() -> None:
    crop = np.random.default_rng(1).normal(60, 60, (90, 90)).astype(np.int16)
    crop[:70] = -850  # lung in most of it
    assert shows_body(crop, (1.0, 1.0))


@pytest.mark.parametrize(("below", "above"), [(0, 0), (1, 0), (3, 2)])
def test_slices_from_the_first_to_the_last_with_a_body(below: int, above: int) -> None:
    hu = np.repeat(disc(300, 2.0, 200)[None], 12, axis=0)
    hu[:below], hu[12 - above :] = -1024, -1000
    hu[6] = 0  # a gap within is the reader's to fill
    assert body_slices(hu, (2.0, 2.0)) == (below, 12 - above)


def test_nothing_but_air() -> None:
    assert body_slices(np.full((5, 100, 100), -1000, np.int16), (2.0, 2.0)) is None
