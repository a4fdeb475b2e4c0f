# SPDX-License-Identifier: Apache-2.0
"""Outlines of the trunk: the skin around the cage, the cage around the spine, and a roll that turns all of them."""

from dataclasses import replace

import numpy as np
import pytest

from vcf_training.phantom import nominal
from vcf_training.phantom.spine import build_spine
from vcf_training.phantom.torso import Torso


def torso(roll_deg: float = 0.0, **body: float) -> Torso:
    spec = nominal()
    spec = replace(spec, posture=replace(spec.posture, roll_deg=roll_deg), body=replace(spec.body, **body))
    return Torso(spec, build_spine(spec))


@pytest.fixture(scope="module")
def usual() -> Torso:
    return torso()


def heights(of: Torso) -> np.ndarray:
    """T2 to L4."""
    return np.linspace(of.spine.z_of(15), of.spine.z_of(1), 40)


def test_the_cage_lies_inside_the_skin_and_holds_the_canal(usual: Torso) -> None:
    z = heights(usual)
    cage, skin, canal = usual.cage(z), usual.skin(z), usual.canal(z)
    assert (skin.half_width > cage.half_width).all()
    assert (skin.y - skin.half_depth < cage.y - cage.half_depth).all()
    assert (skin.y + skin.half_depth > canal[:, 1]).all()
    assert (np.abs(canal[:, 0] - cage.x) < 10).all()


def test_a_patient_has_the_size_of_a_patient(usual: Torso) -> None:
    skin = usual.skin(heights(usual))
    assert 2 * skin.half_width.min() > 260 and 2 * skin.half_width.max() < 480
    assert 2 * skin.half_depth.min() > 160 and 2 * skin.half_depth.max() < 320


def test_girth_is_of_the_belly_more_than_of_the_chest(usual: Torso) -> None:
    stout = torso(girth=1.3)
    chest, belly = (np.array([usual.spine.z_of(level)]) for level in (3, 14))
    assert stout.cage(chest).half_width == pytest.approx(usual.cage(chest).half_width)
    assert stout.cage(belly).half_width > 1.2 * usual.cage(belly).half_width


def test_a_roll_turns_the_patient_and_not_his_own_axes(usual: Torso) -> None:
    rolled = torso(roll_deg=20.0)
    z = heights(usual)
    np.testing.assert_allclose(rolled.canal(z), usual.canal(z), atol=0.5)
    point, turned = usual.point(50, 0, float(z[10])), rolled.point(50, 0, float(z[10]))
    angle = np.degrees(np.arctan2(turned[1], turned[0]) - np.arctan2(point[1], point[0]))
    assert angle == pytest.approx(20.0, abs=1.0)


@pytest.mark.parametrize("side", [1, -1])
def test_ribs_lie_on_the_cage_at_their_side(usual: Torso, side: int) -> None:
    z = np.full(20, usual.spine.z_of(6))
    cage = usual.cage(z, inset_mm=4.0)
    x, y, _ = usual.cage_points(np.linspace(0.1, np.pi - 0.1, 20), side, z).T
    assert (side * (x - cage.x) > 0).all()
    power = 2.5
    inside = (np.abs(x - cage.x) / cage.half_width) ** power + (np.abs(y - cage.y) / cage.half_depth) ** power
    np.testing.assert_allclose(inside, 1, atol=1e-6)


def test_the_sternum_is_in_front(usual: Torso) -> None:
    top, bottom = usual.sternum_z
    assert 100 < top - bottom < 220
    middle = (top + bottom) / 2
    assert usual.sternum_point(middle)[1] < usual.canal(np.array([middle]))[0, 1] - 100
