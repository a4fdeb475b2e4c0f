# SPDX-License-Identifier: Apache-2.0
"""Ellipsoids and tubes of a scene: where they are, and how much of them."""

import numpy as np
import pytest

from vcf_training.phantom import nominal
from vcf_training.phantom.grid import Grid
from vcf_training.phantom.scene import Scene
from vcf_training.phantom.spine import build_spine
from vcf_training.phantom.texture import Texture
from vcf_training.phantom.torso import Torso

SPEC = nominal()
PITCH_MM = 2.0


@pytest.fixture
def scene() -> Scene:
    spine = build_spine(SPEC)
    z = (spine.z_of(8) + np.arange(-30, 31, PITCH_MM)).astype(np.float32)
    across = np.arange(-80, 81, PITCH_MM, dtype=np.float32)
    return Scene.of(Grid(z, across, across, PITCH_MM, PITCH_MM), SPEC, spine, Torso(SPEC, spine), Texture.of(0))


def painted_mm3(scene: Scene, hu: float) -> float:
    """Volume of what was painted over air, partial voxels by their share."""
    return float(((scene.hu + 1000) / (hu + 1000)).sum() * PITCH_MM**3)


def test_it_begins_as_air(scene: Scene) -> None:
    assert (scene.hu == -1000).all()


def test_an_ellipsoid_has_its_volume_and_place(scene: Scene) -> None:
    z = float(scene.grid.z[len(scene.grid.z) // 2])
    scene.blob((10.0, -20.0, z), (20.0, 16.0, 12.0), 50.0)
    assert painted_mm3(scene, 50.0) == pytest.approx(4 / 3 * np.pi * 20 * 16 * 12, rel=0.03)
    share = (scene.hu + 1000) / 1050
    x = float((share * scene.x).sum() / share.sum())
    y = float((share * scene.y).sum() / share.sum())
    assert (x, y) == pytest.approx((10.0, -20.0), abs=0.2)


def test_a_tube_has_its_cross_section_and_ends_where_it_has_none(scene: Scene) -> None:
    heights = scene.grid.z
    radius = np.where(heights > heights[10], 9.0, 0.0)
    scene.tube(np.zeros(len(heights)), np.zeros(len(heights)), radius, radius, 50.0)
    area = ((scene.hu + 1000) / 1050).sum(axis=(1, 2)) * PITCH_MM**2
    assert (area[:11] == 0).all()
    np.testing.assert_allclose(area[11:], np.pi * 81, rtol=0.03)


@pytest.mark.parametrize("radius_mm", [0.0, 0.4])
def test_a_tube_too_thin_is_none(scene: Scene, radius_mm: float) -> None:
    nothing = np.zeros(len(scene.grid.z))
    assert scene.tube(nothing, nothing, nothing + radius_mm, nothing + 9.0, 50.0) is None


def test_what_lies_beside_the_picture_changes_nothing(scene: Scene) -> None:
    scene.blob((500.0, 0.0, 0.0), (20.0, 20.0, 20.0), 50.0)
    assert (scene.hu == -1000).all()


def test_gas_rises_to_the_front(scene: Scene) -> None:
    z = float(scene.grid.z[len(scene.grid.z) // 2])
    scene.blob((0.0, 0.0, z), (20.0, 20.0, 12.0), 30.0, gas_before=0.0)
    middle = scene.hu[len(scene.grid.z) // 2]
    y = scene.grid.y
    x0 = len(scene.grid.x) // 2
    assert middle[(y > -14) & (y < -6), x0].max() < -800 and middle[(y > 6) & (y < 14), x0].min() > 0
